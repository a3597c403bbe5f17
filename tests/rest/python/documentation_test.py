"""The requests that ant makes of the commands of the public documentation, sent without ant.

In the form that ant 1.20.0 gives them: key as x-api-key, `?beta=true`, API version 2023-06-01, keys
in alphabetical order. ant_test.py runs the commands themselves where ant is on the PATH.
"""

import unittest

import system

HEADERS = [("user-agent", "Anthropic/CLI 1.20.0"), ("accept", "application/json"),
           ("accept-encoding", "gzip"), ("anthropic-beta", system.BETA),
           ("anthropic-version", "2023-06-01"), ("x-api-key", system.KEY),
           ("x-stainless-lang", "cli"), ("x-stainless-retry-count", "0")]


class DocumentationTest(unittest.TestCase):
    """create with flags, create with YAML, list, retrieve, archive, delete."""

    def setUp(self):
        self.wire = system.Wire()
        self.addCleanup(self.wire.close)

    def send(self, method, path, body=None):
        """The answer's JSON; anything but 200 fails."""
        answer = self.wire.call(method, f"{path}?beta=true", body, headers=HEADERS)
        self.assertEqual(answer.status, 200, answer)
        self.assertIsNone(answer.headers["content-encoding"])
        return answer.json

    def create(self, body):
        made = self.send("POST", "/v1/environments", body.encode())
        self.addCleanup(self.wire.call, "DELETE", f"/v1/environments/{made['id']}")
        return made

    def test_the_life_of_an_environment(self):
        name = system.unique("python-dev")
        made = self.create('{"config":{"networking":{"type":"unrestricted"},"type":"cloud"},'
                           f'"name":"{name}"}}')
        self.assertEqual(made["name"], name)
        path = f"/v1/environments/{made['id']}"
        listed = self.send("GET", "/v1/environments")
        self.assertIn(made, listed["data"])
        self.assertEqual(self.send("GET", path), made)
        archived = self.send("POST", f"{path}/archive")
        self.assertEqual({**archived, "archived_at": None, "updated_at": None},
                         {**made, "updated_at": None})
        self.assertEqual(self.send("DELETE", path),
                         {"id": made["id"], "type": "environment_deleted"})

    def test_packages_from_yaml(self):
        made = self.create(
            '{"config":{"networking":{"type":"unrestricted"},"packages":{"npm":["express"],'
            '"pip":["pandas","numpy"]},"type":"cloud"},'
            f'"name":"{system.unique("data-analysis")}"}}')
        packages = made["config"]["packages"]
        self.assertEqual((packages["npm"], packages["pip"]), (["express"], ["pandas", "numpy"]))
        self.assertEqual([packages[each] for each in ("apt", "cargo", "gem", "go")], [[]] * 4)


if __name__ == "__main__":
    unittest.main()
