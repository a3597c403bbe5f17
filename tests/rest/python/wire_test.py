"""The HTTP of the REST front end, for what the SDKs hide."""

import json
import ssl
import unittest

import system

BEARER = ("authorization", f"Bearer {system.KEY}")
X_API_KEY = ("x-api-key", system.KEY)
BETA = ("anthropic-beta", system.BETA)


class WireTest(unittest.TestCase):
    """Headers, queries, nulls, and what a body may hold."""

    def setUp(self):
        self.wire = system.Wire()
        self.addCleanup(self.wire.close)

    def environment(self, **fields):
        """Creates one; it is deleted at the end of the test."""
        fields.setdefault("name", system.unique("wire"))
        answer = self.wire.call("POST", "/v1/environments", fields)
        self.assertEqual(answer.status, 200, answer)
        self.addCleanup(self.wire.call, "DELETE", f"/v1/environments/{answer.json['id']}")
        return answer.json

    def test_both_forms_of_the_key_and_both_versions_are_taken(self):
        for key in (BEARER, X_API_KEY, ("Authorization", f"bearer {system.KEY}")):
            for version in ("2023-06-01", "2026-10-21", None):
                headers = [key, BETA] + ([("anthropic-version", version)] if version else [])
                answer = self.wire.call("GET", "/v1/environments?limit=1", headers=headers)
                self.assertEqual(answer.status, 200, answer)

    def test_no_key_and_wrong_keys_are_401(self):
        for headers in ([], [("x-api-key", "")], [("x-api-key", "nope")],
                        [("authorization", "Bearer nope")], [("authorization", "Basic eDp5")],
                        [("authorization", "Bearer ")], [("x-api-key", system.KEY + "x")]):
            answer = self.wire.call("GET", "/v1/environments", headers=[BETA] + headers)
            self.assertEqual(answer.status, 401, (headers, answer))
            self.assertEqual(answer.error["type"], "authentication_error")
            self.assertNotIn(system.KEY, answer.body.decode())

    def test_the_beta_header_may_be_a_list_or_repeated(self):
        path = "/v1/environments?limit=1"
        for values in ([f"foo-1,{system.BETA}"], [f"{system.BETA} , oauth-2025-04-20"],
                       ["foo-1", system.BETA], [system.BETA, "foo-1"]):
            headers = [BEARER] + [("anthropic-beta", value) for value in values]
            self.assertEqual(self.wire.call("GET", path, headers=headers).status, 200, values)
        for values in ([], ["foo-1"], ["foo-1,bar-2"], [""], [system.BETA + "x"]):
            headers = [BEARER] + [("anthropic-beta", value) for value in values]
            answer = self.wire.call("GET", path, headers=headers)
            self.assertEqual(answer.status, 400, values)
            self.assertIn("anthropic-beta", answer.error["message"])

    def test_a_workspace_header_must_match_the_key(self):
        for workspace, status in (("default", 200), ("wrkspc_other", 403)):
            headers = [BEARER, BETA, ("anthropic-workspace-id", workspace)]
            answer = self.wire.call("GET", "/v1/environments?limit=1", headers=headers)
            self.assertEqual(answer.status, status, answer)

    def test_beta_true_in_the_query_means_nothing(self):
        made = self.environment()
        for query in ("?beta=true", "?beta=true&", ""):
            answer = self.wire.call("GET", f"/v1/environments/{made['id']}{query}")
            self.assertEqual((answer.status, answer.json), (200, made))

    def test_every_answer_has_a_request_id_of_its_own(self):
        answers = [self.wire.call("GET", path) for path in
                   ("/v1/environments?limit=1", "/v1/environments/none", "/v1/nothing", "/",
                    "/v1/environments?limit=x")]
        ids = [answer.headers["request-id"] for answer in answers]
        self.assertTrue(all(ids), ids)
        self.assertEqual(len(set(ids)), len(ids))
        for answer in answers[1:]:
            self.assertEqual(answer.json.get("request_id", answer.headers["request-id"]),
                             answer.headers["request-id"])

    def test_answers_are_json_without_cookies_or_cross_origin_headers(self):
        answer = self.wire.call("GET", "/v1/environments?limit=1", headers=[
            BEARER, BETA, ("origin", "https://evil.example"), ("accept", "text/html")])
        self.assertTrue(answer.headers["content-type"].startswith("application/json"))
        for name in answer.headers:
            self.assertFalse(name.lower().startswith("access-control-"), name)
        self.assertIsNone(answer.headers["set-cookie"])
        answer = self.wire.call("OPTIONS", "/v1/environments", headers=[
            ("origin", "https://evil.example"), ("access-control-request-method", "POST")])
        self.assertGreaterEqual(answer.status, 400)

    def test_unset_fields_are_explicit_nulls(self):
        made = self.environment()
        self.assertEqual(set(made), {"id", "type", "name", "description", "metadata", "config",
                                     "scope", "created_at", "updated_at", "archived_at"})
        self.assertIsNone(made["description"])
        self.assertIsNone(made["archived_at"])
        agent = self.wire.call("POST", "/v1/agents", {"name": "a", "model": "m"}).json
        self.addCleanup(self.wire.call, "POST", f"/v1/agents/{agent['id']}/archive")
        for field in ("description", "system", "multiagent", "archived_at"):
            self.assertIsNone(agent[field])
        self.assertEqual(set(agent["model"]), {"id", "effort", "speed", "inference_geo"})
        session = self.wire.call("POST", "/v1/sessions", {
            "agent": agent["id"], "environment_id": made["id"]}).json
        self.assertEqual(self.wire.call("DELETE", f"/v1/sessions/{session['id']}").json,
                         {"id": session["id"], "type": "session_deleted"})
        for field in ("title", "budget", "deployment_id", "archived_at"):
            self.assertIsNone(session[field])
        for field in ("metadata", "resources", "vault_ids", "outcome_evaluations", "usage"):
            self.assertFalse(session[field], field)

    def test_null_means_the_default_in_a_create(self):
        made = self.environment(description=None, metadata=None, config=None, scope=None)
        self.assertEqual(made["config"]["networking"], {"type": "unrestricted"})
        made = self.environment(config={"type": "cloud", "networking": None, "packages": None})
        self.assertEqual(made["config"]["networking"], {"type": "unrestricted"})
        made = self.environment(config={"type": "cloud", "packages": {"pip": None, "apt": ["jq"]}})
        self.assertEqual(made["config"]["packages"]["apt"], ["jq"])

    def test_null_in_an_update_is_the_choice_in_the_readme(self):
        made = self.environment(config={"type": "cloud", "packages": {"apt": ["jq"], "pip": ["x"]}})
        path = f"/v1/environments/{made['id']}"
        answer = self.wire.call("POST", path, {"name": None})
        self.assertEqual(answer.status, 400, answer)
        self.assertIn("name", answer.error["message"])
        answer = self.wire.call("POST", path, {"config": {"type": "cloud",
                                                          "packages": {"pip": ["y"]}}})
        self.assertEqual(answer.json["config"]["packages"]["apt"], ["jq"])
        self.assertEqual(answer.json["config"]["packages"]["pip"], ["y"])
        self.assertEqual(self.wire.call("POST", path, {}).json, answer.json)

    def test_page_and_limit_out_of_range_are_refused(self):
        for query in ("limit=0", "limit=1001", "limit=-1", "limit=x", "limit=1e2", "limit=",
                      "limit=99999999999999999999", "page=garbled", "include_archived=maybe"):
            answer = self.wire.call("GET", f"/v1/environments?{query}")
            self.assertEqual(answer.status, 400, query)
            self.assertIn(query.split("=")[0], answer.error["message"])
        self.assertEqual(self.wire.call("GET", "/v1/environments?limit=1000").status, 200)
        self.assertEqual(self.wire.call("GET", "/v1/sessions?limit=1000").status, 200)
        self.assertEqual(self.wire.call("GET", "/v1/agents?limit=101").status, 400)

    def test_no_page_is_empty_while_it_has_a_successor(self):
        wire = system.Wire(system.new_key())
        self.addCleanup(wire.close)
        answer = wire.call("GET", "/v1/environments")
        self.assertEqual((answer.json["data"], answer.json["next_page"]), ([], None))
        made = [wire.call("POST", "/v1/environments", {"name": f"n{i}"}).json["id"]
                for i in range(4)]
        first = wire.call("GET", "/v1/environments?limit=2").json
        self.assertEqual([each["id"] for each in first["data"]], made[:1:-1])
        for each in made[:2]:
            wire.call("DELETE", f"/v1/environments/{each}")
        last = wire.call("GET", f"/v1/environments?limit=2&page={first['next_page']}").json
        self.assertEqual((last["data"], last["next_page"]), ([], None))
        for each in made[2:]:
            wire.call("DELETE", f"/v1/environments/{each}")

    def test_sessions_can_be_paged_back(self):
        answer = self.wire.call("GET", "/v1/sessions?limit=1").json
        self.assertIn("prev_page", answer)

    def test_duplicate_keys_are_refused(self):
        name = json.dumps(system.unique("twice"))
        for body, path in ((f'{{"name": {name}, "name": "b"}}', "name"),
                           (f'{{"name": {name}, "config": {{"type": "cloud", "type": "cloud"}}}}',
                            "config.type"),
                           (f'{{"name": {name}, "metadata": {{"a": "1", "\\u0061": "2"}}}}', "a")):
            answer = self.wire.call("POST", "/v1/environments", body.encode())
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(path, answer.error["message"])

    def test_only_the_listed_paths_and_methods_exist(self):
        for method, path in (("PUT", "/v1/environments/x"), ("PATCH", "/v1/environments/x"),
                             ("DELETE", "/v1/agents/x"), ("DELETE", "/v1/environments"),
                             ("GET", "/v1"), ("GET", "/v2/environments"), ("GET", "/v1/messages"),
                             ("POST", "/v1/environments/x/unarchive"), ("GET", "//v1/environments"),
                             ("GET", "/v1/environments/"), ("TRACE", "/v1/environments")):
            answer = self.wire.call(method, path)
            self.assertIn(answer.status, (404, 405), (method, path))
            self.assertIn("message", answer.error)

    def test_health_needs_no_key(self):
        for path in ("/healthz", "/readyz"):
            self.assertEqual(self.wire.call("GET", path, headers=[]).status, 200)

    def test_http_1_1_is_the_only_protocol_offered(self):
        for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["http/1.1"], "http/1.1")):
            context = system.tls_context()
            context.set_alpn_protocols(offered)
            with system.connect(context) as connection:
                self.assertEqual(connection.selected_alpn_protocol(), chosen)

    def test_old_tls_is_refused(self):
        context = system.tls_context()
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        with self.assertRaises(OSError):
            system.connect(context).close()


if __name__ == "__main__":
    unittest.main()
