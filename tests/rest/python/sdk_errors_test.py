"""Errors through the Python SDK: their class, and how often the request is sent."""

import unittest

import anthropic

import recorder
import sdk_case
import system


class ErrorsTest(sdk_case.SdkCase):
    """Each through a recording proxy, with the SDK's own retries."""

    def setUp(self):
        self.recorder = recorder.Recorder()
        self.addCleanup(self.recorder.close)
        self.recorded = anthropic.Anthropic(base_url=self.recorder.url)
        self.addCleanup(self.recorded.close)

    def refused_once(self, error_class, call, *arguments, **fields):
        """The error, after exactly one request, as x-should-retry says."""
        before = len(self.recorder.requests)
        error = self.refused(error_class, call, *arguments, **fields)
        self.assertEqual(len(self.recorder.requests) - before, 1, "it was sent again")
        self.assertEqual(error.response.headers["x-should-retry"], "false")
        self.assertEqual(error.body["type"], "error")
        self.assertTrue(error.body["error"]["message"])
        return error

    def test_a_taken_name_is_a_conflict_that_is_sent_once(self):
        made = self.environment()
        error = self.refused_once(anthropic.ConflictError, self.recorded.beta.environments.create,
                                  name=made.name)
        self.assertEqual(error.body["error"]["type"], "conflict_error")
        self.assertIn(made.name, error.body["error"]["message"])
        self.beta.environments.archive(made.id)
        self.refused_once(anthropic.ConflictError, self.recorded.beta.environments.create,
                          name=made.name)

    def test_every_conflict_is_sent_once(self):
        session = self.session()
        self.refused_once(anthropic.ConflictError, self.recorded.beta.environments.delete,
                          session.environment_id)
        agent = self.agent()
        self.beta.agents.update(agent.id, version=1, name="second")
        self.refused_once(anthropic.ConflictError, self.recorded.beta.agents.update, agent.id,
                          version=1, name="late")

    def test_errors_of_the_caller_are_sent_once(self):
        environments = self.recorded.beta.environments
        error = self.refused_once(anthropic.NotFoundError, environments.retrieve, "env_none")
        self.assertEqual(error.body["error"]["type"], "not_found_error")
        error = self.refused_once(anthropic.BadRequestError, environments.create, name="")
        self.assertEqual(error.body["error"]["type"], "invalid_request_error")
        self.assertIn("name", error.body["error"]["message"])
        wrong = self.recorded.with_options(api_key="wrong")
        error = self.refused_once(anthropic.AuthenticationError, wrong.beta.environments.list)
        self.assertEqual(error.body["error"]["type"], "authentication_error")
        error = self.refused_once(anthropic.BadRequestError, environments.list,
                                  extra_headers={"anthropic-beta": "other-2026-01-01"})
        self.assertIn("anthropic-beta", error.body["error"]["message"])

    def test_what_is_not_built_is_sent_once(self):
        environment = self.environment(config={"type": "self_hosted"})
        error = self.refused_once(anthropic.APIStatusError, self.recorded.beta.sessions.create,
                                  agent=self.agent().id, environment_id=environment.id)
        self.assertEqual(error.status_code, 501)
        self.assertIn("self_hosted", error.body["error"]["message"])

    def test_unknown_keys_and_wrong_types_are_named(self):
        create = self.recorded.beta.environments.create
        name = system.unique("typo")
        for body, path in (({"descriptoin": "x"}, "descriptoin"),
                           ({"config": {"type": "cloud", "netwroking": {}}}, "config.netwroking"),
                           ({"config": {"type": "cloud", "packages": {"pips": []}}},
                            "config.packages.pips"),
                           ({"config": {"type": "cloud", "packages": {"pip": ["a", 7]}}},
                            "config.packages.pip[1]"),
                           ({"description": 7}, "description"), ({"metadata": []}, "metadata"),
                           ({"metadata": {"k": 1}}, "metadata"), ({"config": "cloud"}, "config"),
                           ({"scope": "account"}, "scope")):
            with self.subTest(body=body):
                error = self.refused_once(anthropic.BadRequestError, create, name=name,
                                          extra_body=body)
                self.assertIn(path, error.body["error"]["message"])

    def test_the_request_id_of_an_error_is_in_the_log(self):
        error = self.refused(anthropic.NotFoundError, self.beta.environments.retrieve, "env_none")

        def logged():
            with open(f"{system.HOME}/log/controlplane.log", encoding="utf-8") as log:
                return error.request_id in log.read()

        system.wait_for(logged, f"{error.request_id} in the log")


if __name__ == "__main__":
    unittest.main()
