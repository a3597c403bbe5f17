"""Clients that are given nothing: base URL and key come from the profile that they share with ant."""

import os
import subprocess
import sys
import tempfile
import unittest

import system

PYTHON = """
import anthropic
client = anthropic.Anthropic()
print(client.beta.environments.list(limit=1)._request_id)
"""
TYPESCRIPT = """
const Anthropic = require('sdk-2026');
new Anthropic().beta.environments.list({limit: 1}).asResponse().then(
    (answer) => console.log(answer.headers.get('request-id')));
"""


class ProfileTest(unittest.TestCase):
    """It sends Bearer, and the beta values as one list."""

    def run_with_profile(self, *command, cwd=None):
        """What the command prints."""
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("ANTHROPIC_")}
        with tempfile.TemporaryDirectory() as home:
            run = subprocess.run(command, check=False, capture_output=True, text=True, timeout=60,
                                 cwd=cwd, env={**environment, **system.write_profile(home)})
        self.assertEqual(run.returncode, 0, run.stderr)
        return run.stdout.strip()

    def test_python(self):
        self.assertRegex(self.run_with_profile(sys.executable, "-c", PYTHON), "^req_")

    def test_typescript(self):
        printed = self.run_with_profile("node", "-e", TYPESCRIPT,
                                        cwd=os.environ["PADDOCK_TEST_CLIENTS"])
        self.assertRegex(printed, "^req_")


if __name__ == "__main__":
    unittest.main()
