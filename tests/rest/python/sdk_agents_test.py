"""Agents through the Python SDK."""

import datetime
import unittest

import anthropic

import sdk_case


class AgentsTest(sdk_case.SdkCase):
    """Create, retrieve by version, update, list, archive, versions."""

    def test_create_answers_every_field_with_its_default(self):
        made = self.agent(name="coder")
        self.assertRegex(made.id, "^agent_[A-Za-z0-9_-]{20,}$")
        self.assertEqual((made.type, made.name, made.version), ("agent", "coder", 1))
        self.assertEqual(made.model.id, sdk_case.MODEL)
        for empty in (made.mcp_servers, made.tools, made.skills, made.metadata):
            self.assertFalse(empty)
        for null in (made.description, made.system, made.multiagent, made.archived_at):
            self.assertIsNone(null)
        self.assertIsInstance(made.created_at, datetime.datetime)
        self.assertEqual(made.to_dict()["execution_identity"], {"type": "service_account"})

    def test_model_may_be_an_object(self):
        made = self.agent(model={"id": sdk_case.MODEL, "speed": "fast"})
        self.assertEqual((made.model.id, made.model.speed), (sdk_case.MODEL, "fast"))

    def test_tools_and_mcp_servers_are_kept(self):
        made = self.agent(mcp_servers=[sdk_case.MCP_SERVER],
                          tools=[sdk_case.AGENT_TOOLSET, sdk_case.MCP_TOOLSET,
                                 {"type": "custom", "name": "weather", "description": "tells it",
                                  "input_schema": {"type": "object", "properties": {}}}])
        self.assertEqual(made.mcp_servers[0].url, sdk_case.MCP_SERVER["url"])
        self.assertEqual([tool.type for tool in made.tools],
                         ["agent_toolset_20260401", "mcp_toolset", "custom"])
        self.assertIs(made.tools[0].default_config.enabled, True)

    def test_an_mcp_server_that_no_toolset_uses_is_refused(self):
        error = self.refused(anthropic.BadRequestError, self.beta.agents.create, name="x",
                             model=sdk_case.MODEL, mcp_servers=[sdk_case.MCP_SERVER])
        self.assertIn("tickets", error.body["error"]["message"])

    def test_update_makes_a_version_and_keeps_what_is_absent(self):
        made = self.agent(system="be brief", description="d", metadata={"a": "1", "b": "2"},
                          tools=[sdk_case.AGENT_TOOLSET])
        update = self.beta.agents.update
        second = update(made.id, version=1, name="renamed", metadata={"a": None, "c": "3"})
        self.assertEqual((second.version, second.name), (2, "renamed"))
        self.assertEqual((second.system, second.description), ("be brief", "d"))
        self.assertEqual(second.metadata, {"b": "2", "c": "3"})
        self.assertEqual(len(second.tools), 1)
        third = update(made.id, version=2, system=None, description="", tools=None)
        self.assertEqual((third.version, third.system, third.description, third.tools),
                         (3, None, None, []))
        self.assertEqual(self.beta.agents.retrieve(made.id).version, 3)
        self.assertEqual(self.beta.agents.retrieve(made.id, version=1).system, "be brief")
        self.refused(anthropic.NotFoundError, self.beta.agents.retrieve, made.id, version=9)

    def test_a_stale_version_is_a_conflict(self):
        made = self.agent()
        self.beta.agents.update(made.id, version=1, name="second")
        error = self.refused(anthropic.ConflictError, self.beta.agents.update, made.id, version=1,
                             name="late")
        self.assertEqual(error.body["error"]["type"], "conflict_error")
        self.assertEqual(self.beta.agents.retrieve(made.id).name, "second")

    def test_versions_are_listed_page_by_page(self):
        made = self.agent()
        for number in range(1, 5):
            self.beta.agents.update(made.id, version=number, name=f"n{number}")
        listed = [each.version for each in self.beta.agents.versions.list(made.id, limit=2)]
        self.assertEqual(sorted(listed), [1, 2, 3, 4, 5])
        self.assertIn(listed, ([1, 2, 3, 4, 5], [5, 4, 3, 2, 1]))

    def test_list_filters_by_time_and_archived(self):
        beta = self.tenant().beta
        made = [self.agent(beta) for _ in range(4)]
        beta.agents.archive(made[0].id)
        self.assertEqual([each.id for each in beta.agents.list(limit=2)],
                         [each.id for each in reversed(made[1:])])
        self.assertEqual(len(list(beta.agents.list(include_archived=True))), 4)
        since = made[2].created_at
        self.assertEqual({each.id for each in beta.agents.list(created_at_gte=since)},
                         {made[2].id, made[3].id})
        self.assertEqual({each.id for each in beta.agents.list(created_at_lte=since)},
                         {made[1].id, made[2].id})

    def test_an_archived_agent_is_read_only(self):
        made = self.agent()
        archived = self.beta.agents.archive(made.id)
        self.assertIsInstance(archived.archived_at, datetime.datetime)
        self.assertEqual(self.beta.agents.archive(made.id).archived_at, archived.archived_at)
        with self.assertRaises((anthropic.BadRequestError, anthropic.ConflictError)):
            self.beta.agents.update(made.id, version=1, name="late")

    def test_name_and_model_cannot_be_cleared(self):
        made = self.agent()
        for fields in ({"name": ""}, {"extra_body": {"name": None}},
                       {"extra_body": {"model": None}}):
            with self.subTest(fields=fields):
                self.refused(anthropic.BadRequestError, self.beta.agents.update, made.id, version=1,
                             **fields)
        self.assertEqual(self.beta.agents.retrieve(made.id).version, 1)

    def test_limit_is_at_most_100(self):
        self.assertEqual(list(self.tenant().beta.agents.list(limit=100)), [])
        for limit in (0, 101, -1):
            error = self.refused(anthropic.BadRequestError, self.beta.agents.list, limit=limit)
            self.assertIn("limit", error.body["error"]["message"])

    def test_another_tenants_agent_is_not_found(self):
        made = self.agent()
        beta = self.tenant().beta
        self.refused(anthropic.NotFoundError, beta.agents.retrieve, made.id)
        environment = self.environment(beta)
        self.refused(anthropic.NotFoundError, beta.sessions.create, agent=made.id,
                     environment_id=environment.id)
        self.assertEqual(list(beta.sessions.list()), [])


if __name__ == "__main__":
    unittest.main()
