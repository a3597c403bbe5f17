"""The base of the tests that go through the Python SDK."""

import unittest

import anthropic

import system

# The last SDK of API version 2023-06-01 has no classes by error_code.
IS_2026 = int(anthropic.__version__.split(".", maxsplit=1)[0]) >= 2

# A toolset and an MCP server that uses it, as the agents' rules ask.
MCP_SERVER = {"type": "url", "name": "tickets", "url": "https://mcp.example.com/mcp"}
MCP_TOOLSET = {"type": "mcp_toolset", "mcp_server_name": "tickets"}
AGENT_TOOLSET = {"type": "agent_toolset_20260401"}
MODEL = "claude-opus-4-7"


class SdkCase(unittest.TestCase):
    """One client of one key; what a test makes is deleted at its end."""

    @classmethod
    def setUpClass(cls):
        # No argument at all: the variables that with_system sets.
        cls.client = anthropic.Anthropic()
        cls.beta = cls.client.beta

    @classmethod
    def tearDownClass(cls):
        cls.client.close()

    def environment(self, beta=None, **fields):
        """An environment with a name of its own."""
        fields.setdefault("name", system.unique("sdk"))
        beta = beta or self.beta
        made = beta.environments.create(**fields)
        self.addCleanup(self.remove, beta.environments.delete, made.id)
        return made

    def agent(self, beta=None, **fields):
        """An agent; there is no delete, so it is archived at the end."""
        fields.setdefault("name", "sdk")
        fields.setdefault("model", MODEL)
        beta = beta or self.beta
        made = beta.agents.create(**fields)
        self.addCleanup(self.remove, beta.agents.archive, made.id)
        return made

    def session(self, beta=None, **fields):
        """A session; its environment and its agent are made unless given."""
        beta = beta or self.beta
        fields.setdefault("environment_id", None)
        fields["environment_id"] = fields["environment_id"] or self.environment(beta).id
        if "agent" not in fields:
            fields["agent"] = self.agent(beta).id
        made = beta.sessions.create(**fields)
        self.addCleanup(self.remove, beta.sessions.delete, made.id)
        return made

    @staticmethod
    def remove(call, resource_id):
        """Calls `call` unless the test has removed the resource itself."""
        try:
            call(resource_id)
        except anthropic.NotFoundError:
            pass

    def tenant(self):
        """A client of a workspace of its own."""
        client = anthropic.Anthropic(api_key=system.new_key())
        self.addCleanup(client.close)
        return client

    def refused(self, error_class, call, *arguments, **fields):
        """The error that the call is refused with; exactly that class, not one derived from it."""
        with self.assertRaises(error_class) as caught:
            call(*arguments, **fields)
        error = caught.exception
        self.assertTrue(error.request_id, "no request-id header")
        return error
