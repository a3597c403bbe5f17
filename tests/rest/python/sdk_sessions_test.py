"""Sessions and their events through the Python SDK."""

import datetime
import threading
import unittest

import anthropic

import sdk_case
import system


class SessionsTest(sdk_case.SdkCase):
    """Create in each form, retrieve, update, list, archive, delete, resources."""

    def test_the_documented_create_answers_an_idle_session(self):
        agent = self.agent(system="be brief")
        environment = self.environment()
        client = self.client
        session = client.beta.sessions.create(agent=agent.id, environment_id=environment.id)
        self.addCleanup(self.remove, client.beta.sessions.delete, session.id)
        self.assertRegex(session.id, "^sesn_[A-Za-z0-9_-]{20,}$")
        self.assertEqual((session.type, session.status), ("session", "idle"))
        self.assertEqual(session.environment_id, environment.id)
        self.assertEqual((session.agent.id, session.agent.version), (agent.id, 1))
        self.assertEqual(session.agent.system, "be brief")
        self.assertEqual((session.resources, session.vault_ids), ([], []))
        self.assertEqual(session.outcome_evaluations, [])
        for null in (session.title, session.archived_at, session.deployment_id):
            self.assertIsNone(null)
        self.assertGreaterEqual(session.stats.duration_seconds, 0)
        self.assertIsInstance(session.created_at, datetime.datetime)
        self.assertEqual(self.beta.sessions.retrieve(session.id).id, session.id)

    def test_an_agent_may_be_pinned_and_overridden(self):
        agent = self.agent(system="first")
        self.beta.agents.update(agent.id, version=1, system="second")
        environment = self.environment().id
        newest = self.session(agent=agent.id, environment_id=environment)
        self.assertEqual((newest.agent.version, newest.agent.system), (2, "second"))
        pinned = self.session(agent={"type": "agent", "id": agent.id, "version": 1},
                              environment_id=environment)
        self.assertEqual((pinned.agent.version, pinned.agent.system), (1, "first"))
        changed = self.session(agent={"type": "agent_with_overrides", "id": agent.id,
                                      "system": None, "tools": [sdk_case.AGENT_TOOLSET]},
                               environment_id=environment)
        self.assertIsNone(changed.agent.system)
        self.assertEqual(len(changed.agent.tools), 1)
        self.assertEqual(self.beta.agents.retrieve(agent.id).system, "second")

    def test_update_merges_metadata_and_clears_the_title(self):
        session = self.session(title="first", metadata={"a": "1", "b": "2"})
        update = self.beta.sessions.update
        self.assertEqual(update(session.id, metadata={"a": None, "c": "3"}).metadata,
                         {"b": "2", "c": "3"})
        kept = update(session.id, title="second")
        self.assertEqual((kept.title, kept.metadata), ("second", {"b": "2", "c": "3"}))
        self.assertIsNone(update(session.id, title=None).title)
        with self.assertRaisesRegex(anthropic.APIStatusError, "vault_ids"):
            update(session.id, vault_ids=["vlt_1"])

    def test_list_filters_orders_and_pages(self):
        beta = self.tenant().beta
        environment = self.environment(beta).id
        agents = [self.agent(beta).id for _ in range(2)]
        made = [self.session(beta, agent=agents[i % 2], environment_id=environment)
                for i in range(4)]
        ids = [each.id for each in made]

        def listed(**query):
            return [each.id for each in beta.sessions.list(limit=1, **query)]

        self.assertEqual(listed(), ids[::-1])
        self.assertEqual(listed(order="asc"), ids)
        self.assertEqual(listed(agent_id=agents[0]), [ids[2], ids[0]])
        self.assertEqual(listed(agent_id=agents[0], agent_version=2), [])
        first = beta.sessions.list(limit=1)
        second = beta.sessions.list(limit=1, page=first.next_page)
        self.assertIsNone(first.to_dict()["prev_page"])
        back = beta.sessions.list(limit=1, page=second.to_dict()["prev_page"])
        self.assertEqual([each.id for each in back.data], [ids[3]])
        since = made[2].created_at
        self.assertEqual(listed(created_at_gte=since), [ids[3], ids[2]])
        self.assertEqual(listed(created_at_gt=since), [ids[3]])
        self.assertEqual(listed(created_at_lt=since), [ids[1], ids[0]])
        self.assertEqual(listed(created_at_lte=since), [ids[2], ids[1], ids[0]])
        beta.sessions.archive(ids[0])
        self.assertEqual(listed(), [ids[3], ids[2], ids[1]])
        self.assertEqual(listed(include_archived=True), ids[::-1])
        self.assertEqual(listed(statuses=["idle"]), [ids[3], ids[2], ids[1]])
        self.assertEqual(listed(statuses=["terminated"], include_archived=True), [ids[0]])
        self.assertEqual(listed(statuses=["terminated", "idle"], include_archived=True), ids[::-1])
        self.assertEqual(listed(statuses=["running"]), [])

    def test_archive_ends_it_and_delete_removes_it(self):
        session = self.session()
        archived = self.beta.sessions.archive(session.id)
        self.assertEqual(archived.status, "terminated")
        self.assertIsInstance(archived.archived_at, datetime.datetime)
        gone = self.beta.sessions.delete(session.id)
        self.assertEqual((gone.id, gone.type), (session.id, "session_deleted"))
        self.refused(anthropic.NotFoundError, self.beta.sessions.retrieve, session.id)

    def test_a_referenced_environment_is_not_deleted(self):
        session = self.session()
        error = self.refused(anthropic.ConflictError, self.beta.environments.delete,
                             session.environment_id)
        self.assertIn(session.id, error.body["error"]["message"])
        self.beta.sessions.delete(session.id)
        self.assertEqual(self.beta.environments.delete(session.environment_id).id,
                         session.environment_id)

    def test_an_archived_environment_takes_no_session(self):
        environment = self.environment()
        self.beta.environments.archive(environment.id)
        error = self.refused(anthropic.BadRequestError, self.beta.sessions.create,
                             agent=self.agent().id, environment_id=environment.id)
        self.assertEqual(error.body["error"]["details"]["error_code"], "environment_archived")

    def test_a_failed_image_is_told_with_its_reason(self):
        environment = self.environment(config={
            "type": "cloud", "packages": {"pip": ["paddock-has-no-such-package"]}}).id
        agent = self.agent().id
        waited = []

        def failure():
            try:
                waited.append(self.session(agent=agent, environment_id=environment).id)
            except anthropic.BadRequestError as error:
                return error
            return None

        error = system.wait_for(failure, "the build to fail", seconds=120)
        self.assertEqual(error.body["error"]["details"]["error_code"], "image_build_failed")
        self.assertIn("pip", error.body["error"]["message"])
        self.assertEqual(error.response.headers["x-should-retry"], "false")
        # Those that were made while it was built say the same among their events.
        ended = list(self.beta.sessions.list(agent_id=agent))
        self.assertLessEqual(set(waited), {each.id for each in ended})
        self.assertGreater(len(ended), 0)
        for session in ended:
            self.assertEqual(session.status, "terminated")
            events = list(self.beta.sessions.events.list(session.id))
            self.assertEqual([event.type for event in events[-2:]],
                             ["session.error", "session.status_terminated"])
            self.assertEqual(events[-2].error.retry_status.type, "terminal")
            self.assertIn("IMAGE_BUILD_FAILED: The image failed to build: pip", events[-2].error.message)
            self.remove(self.beta.sessions.delete, session.id)

    def test_unknown_agents_and_environments_are_not_found(self):
        agent, environment = self.agent().id, self.environment().id
        create = self.beta.sessions.create
        self.refused(anthropic.NotFoundError, create, agent="agent_00000000000000000000000000",
                     environment_id=environment)
        self.refused(anthropic.NotFoundError, create, agent=agent,
                     environment_id="env_00000000000000000000000000")

    def test_what_is_there_but_empty_is_taken(self):
        session = self.session(vault_ids=[], resources=[], metadata={}, title=None,
                               extra_body={"initial_events": [], "budget": None})
        self.assertEqual(session.vault_ids, [])
        self.assertIsNone(session.to_dict()["budget"])

    def test_what_has_no_meaning_here_is_refused_by_name(self):
        environment, agent = self.environment().id, self.agent().id
        event = {"type": "user.message", "content": [{"type": "text", "text": "hi"}]}
        for field, value in (("vault_ids", ["vlt_1"]), ("initial_events", [event]),
                             ("budget", {"type": "tokens", "limit": 5}), ("titel", "x")):
            with self.subTest(field=field):
                with self.assertRaisesRegex(anthropic.APIStatusError, field) as caught:
                    self.beta.sessions.create(agent=agent, environment_id=environment,
                                              extra_body={field: value})
                self.assertIn(caught.exception.status_code, (400, 501))
        self.assertEqual(list(self.beta.sessions.list(agent_id=agent)), [])

    def test_resources_are_empty_and_adding_one_is_refused_by_name(self):
        session = self.session()
        self.assertEqual(list(self.beta.sessions.resources.list(session.id)), [])
        file = {"type": "file", "file_id": "file_1"}
        with self.assertRaises(anthropic.APIStatusError) as caught:
            self.beta.sessions.resources.add(session.id, **file)
        self.assertIn("resource", caught.exception.body["error"]["message"])
        with self.assertRaises(anthropic.APIStatusError) as caught:
            self.beta.sessions.create(agent=session.agent.id, resources=[file],
                                      environment_id=session.environment_id)
        self.assertIn("resources", caught.exception.body["error"]["message"])


class EventsTest(sdk_case.SdkCase):
    """The session's own status events, listed and streamed."""

    def test_sending_events_says_that_no_model_runs_here(self):
        session = self.session()
        with self.assertRaises(anthropic.APIStatusError) as caught:
            self.beta.sessions.events.send(session.id, events=[
                {"type": "user.message", "content": [{"type": "text", "text": "hi"}]}])
        message = caught.exception.body["error"]["message"]
        self.assertRegex(message, "sandbox")
        self.assertRegex(message, "model")

    def test_the_list_holds_the_statuses_so_far(self):
        session = self.session()
        events = list(self.beta.sessions.events.list(session.id))
        self.assertIn("session.status_idle", [event.type for event in events])
        for event in events:
            self.assertTrue(event.id)
            self.assertIsInstance(event.processed_at, datetime.datetime)
        idle = next(event for event in events if event.type == "session.status_idle")
        self.assertEqual(idle.stop_reason.type, "end_turn")
        self.beta.sessions.archive(session.id)
        events = list(self.beta.sessions.events.list(session.id))
        self.assertEqual(events[-1].type, "session.status_terminated", "order is ascending")

    def streamed(self, session, on_idle):
        """The types of the events until the stream ends; `on_idle` is called at the first idle."""
        stream = self.beta.sessions.events.stream(session.id)
        timer = threading.Timer(30, stream.close)
        timer.start()
        self.addCleanup(timer.cancel)
        kinds = []
        for event in stream:
            kinds.append(event.type)
            if event.type == "session.status_idle":
                on_idle(session.id)
        return kinds

    def test_a_stream_begins_with_the_state_now_and_ends_with_the_session(self):
        session = self.session()
        ends = ["session.status_idle", "session.status_terminated"]
        self.assertEqual(self.streamed(session, self.beta.sessions.archive), ends)
        self.assertEqual(self.streamed(session, None), ends[1:])

    def test_a_delete_ends_the_stream(self):
        kinds = self.streamed(self.session(), self.beta.sessions.delete)
        self.assertEqual((kinds[0], kinds[-1]), ("session.status_idle", "session.deleted"))

    def test_the_stream_of_an_unknown_session_is_not_found(self):
        self.refused(anthropic.NotFoundError, self.beta.sessions.events.stream,
                     "sesn_00000000000000000000000000")
        self.refused(anthropic.NotFoundError, self.beta.sessions.events.list,
                     "sesn_00000000000000000000000000")
        self.refused(anthropic.NotFoundError, self.tenant().beta.sessions.events.stream,
                     self.session().id)


if __name__ == "__main__":
    unittest.main()
