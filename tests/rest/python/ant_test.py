"""The commands of the public documentation, with ant, where it is on the PATH."""

import json
import os
import shutil
import subprocess
import tempfile
import unittest

import recorder
import system

ANT = shutil.which("ant")


def is_the_cli():
    """Apache's build tool has the same name."""
    if not ANT:
        return False
    shown = subprocess.run([ANT, "--help"], check=False, capture_output=True, text=True, timeout=30)
    return "beta:environments" in shown.stdout + shown.stderr


@unittest.skipUnless(is_the_cli(), "ant is not on the PATH")
class AntTest(unittest.TestCase):
    """Base URL and key come from a profile, so the commands are literally the documented ones."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.environment = {key: value for key, value in os.environ.items()
                            if not key.startswith("ANTHROPIC_")}
        self.environment.update(system.write_profile(directory.name))

    def ant(self, *arguments, stdin="", status=0, **variables):
        """The documents that the command printed."""
        run = subprocess.run([ANT, *arguments], input=stdin, check=False, capture_output=True,
                             text=True, timeout=60, env={**self.environment, **variables})
        self.assertEqual(run.returncode, status, run.stdout + run.stderr)
        decoder, documents, text = json.JSONDecoder(), [], run.stdout.strip()
        while text:
            document, end = decoder.raw_decode(text)
            documents.append(document)
            text = text[end:].lstrip()
        return documents

    def created(self, *arguments, **options):
        made = self.ant("beta:environments", "create", *arguments, **options)[0]
        self.addCleanup(system.Wire().call, "DELETE", f"/v1/environments/{made['id']}")
        return made

    def test_create_with_flags(self):
        name = system.unique("python-dev")
        made = self.created("--name", name, "--config",
                            "{type: cloud, networking: {type: unrestricted}}")
        self.assertEqual((made["name"], made["config"]["networking"]["type"]),
                         (name, "unrestricted"))

    def test_create_with_yaml_on_standard_input(self):
        name = system.unique("data-analysis")
        made = self.created(stdin=f"""\
name: {name}
config:
  type: cloud
  packages:
    pip:
      - pandas
      - numpy
    npm:
      - express
  networking:
    type: unrestricted
""")
        self.assertEqual(made["config"]["packages"]["pip"], ["pandas", "numpy"])
        self.assertEqual(made["config"]["packages"]["npm"], ["express"])

    def test_list_retrieve_archive_delete(self):
        made = self.created("--name", system.unique("life"))
        listed = self.ant("beta:environments", "list", "--max-items", "5")
        self.assertIn(made["id"], [each["id"] for each in listed])
        chosen = ("--environment-id", made["id"])
        self.assertEqual(self.ant("beta:environments", "retrieve", *chosen)[0], made)
        self.assertTrue(self.ant("beta:environments", "archive", *chosen)[0]["archived_at"])
        self.assertEqual(self.ant("beta:environments", "delete", *chosen)[0]["id"], made["id"])
        self.assertEqual(self.ant("beta:environments", "retrieve", *chosen, status=1)[0]["type"],
                         "error")

    def test_a_taken_name_is_sent_once(self):
        made = self.created("--name", system.unique("taken"))
        record = recorder.Recorder()
        self.addCleanup(record.close)
        self.ant("beta:environments", "create", "--name", made["name"], "--base-url", record.url,
                 status=1, ANTHROPIC_API_KEY=system.KEY)
        self.assertEqual(len(record.requests), 1)

    def test_agents_and_sessions(self):
        environment = self.created("--name", system.unique("session"))
        agent = self.ant("beta:agents", "create", "--name", "a", "--model", "{id: m}")[0]
        session = self.ant("beta:sessions", "create", "--agent", agent["id"], "--environment-id",
                           environment["id"])[0]
        self.assertEqual(session["status"], "idle")
        self.ant("beta:sessions", "delete", "--session-id", session["id"])


if __name__ == "__main__":
    unittest.main()
