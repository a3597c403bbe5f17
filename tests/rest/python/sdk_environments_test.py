"""Environments through the Python SDK."""

import datetime
import unittest

import anthropic

import sdk_case
import system

LIMITED = {"type": "limited", "allowed_hosts": ["example.com", "*.Example.ORG"],
           "allow_package_managers": True}


def limited(**fields):
    return {"type": "cloud", "networking": {"type": "limited", **fields}}


class EnvironmentsTest(sdk_case.SdkCase):
    """Create, retrieve, update, list, archive, delete."""

    def test_create_answers_every_field_with_its_default(self):
        name = system.unique("defaults")
        made = self.environment(name=name)
        self.assertRegex(made.id, "^env_[A-Za-z0-9_-]{20,}$")
        self.assertEqual((made.type, made.name, made.scope), ("environment", name, "organization"))
        self.assertIsNone(made.description)
        self.assertIsNone(made.archived_at)
        self.assertEqual(made.metadata, {})
        self.assertEqual(made.config.type, "cloud")
        self.assertEqual(made.config.networking.type, "unrestricted")
        for manager in ("apt", "cargo", "gem", "go", "npm", "pip"):
            self.assertEqual(getattr(made.config.packages, manager), [])
        created = datetime.datetime.fromisoformat(made.created_at.replace("Z", "+00:00"))
        age = datetime.datetime.now(datetime.timezone.utc) - created
        self.assertLess(abs(age.total_seconds()), 60)
        self.assertTrue(made._request_id)

    def test_retrieve_answers_what_create_did(self):
        made = self.environment(
            description="for ünïcode 🐎", metadata={"team": "infra"},
            config={"type": "cloud", "networking": LIMITED, "packages": {"pip": ["pandas==2.2.0"]}})
        self.assertEqual(made.config.networking.allowed_hosts, ["example.com", "*.example.org"])
        self.assertIs(made.config.networking.allow_package_managers, True)
        self.assertIs(made.config.networking.allow_mcp_servers, False)
        self.assertEqual(made.config.packages.pip, ["pandas==2.2.0"])
        self.assertEqual(self.beta.environments.retrieve(made.id).config, made.config)
        again = self.beta.environments.retrieve(made.id)
        self.assertEqual((again.description, again.metadata), (made.description, made.metadata))

    def test_self_hosted_is_its_type_alone(self):
        made = self.environment(config={"type": "self_hosted"})
        self.assertEqual(made.config.to_dict(), {"type": "self_hosted"})

    def test_update_keeps_what_is_absent_and_clears_what_is_null(self):
        made = self.environment(description="first", metadata={"a": "1", "b": "2"},
                                config={"type": "cloud", "networking": LIMITED})
        update = self.beta.environments.update
        self.assertEqual(update(made.id, metadata={"c": "3"}).metadata,
                         {"a": "1", "b": "2", "c": "3"})
        self.assertEqual(update(made.id, metadata={"a": None, "b": ""}).metadata, {"c": "3"})
        renamed = update(made.id, name=system.unique("renamed"))
        self.assertEqual((renamed.description, renamed.config), ("first", made.config))
        self.assertEqual(update(made.id, description="").description, "")
        self.assertIsNone(update(made.id, description=None).description)

    def test_update_of_networking_keeps_packages_and_what_limited_leaves_out(self):
        made = self.environment(config={"type": "cloud", "networking": LIMITED,
                                        "packages": {"apt": ["jq"], "pip": ["pandas"]}})
        update = self.beta.environments.update
        changed = update(made.id, config=limited(allow_mcp_servers=True)).config
        self.assertEqual(changed.networking.allowed_hosts, ["example.com", "*.example.org"])
        self.assertIs(changed.networking.allow_package_managers, True)
        self.assertIs(changed.networking.allow_mcp_servers, True)
        self.assertEqual(changed.packages.apt, ["jq"])
        changed = update(made.id, config={"type": "cloud", "packages": {"pip": ["numpy"]}}).config
        self.assertEqual((changed.packages.apt, changed.packages.pip), (["jq"], ["numpy"]))
        self.assertEqual(changed.networking.type, "limited")
        changed = update(made.id, config={"type": "cloud", "networking": None}).config
        self.assertEqual(changed.networking.to_dict(), {"type": "unrestricted"})
        self.assertEqual(changed.packages.apt, ["jq"])

    def test_list_pages_through_all_newest_first_without_the_archived(self):
        tenant = self.tenant()
        made = [self.environment(tenant.beta).id for _ in range(7)]
        tenant.beta.environments.archive(made[3])
        wanted = [each for each in reversed(made) if each != made[3]]
        for limit in (1, 2, 3, 6, 1000):
            with self.subTest(limit=limit):
                listed = list(tenant.beta.environments.list(limit=limit))
                self.assertEqual([each.id for each in listed], wanted)
        everything = list(tenant.beta.environments.list(limit=2, include_archived=True))
        self.assertEqual([each.id for each in everything], list(reversed(made)))
        first = tenant.beta.environments.list(limit=6)
        self.assertIsNone(first.next_page, "a page that holds the last has no successor")

    def test_archive_twice_answers_the_same_and_makes_it_read_only(self):
        made = self.environment()
        first = self.beta.environments.archive(made.id)
        self.assertTrue(first.archived_at)
        self.assertEqual(self.beta.environments.archive(made.id).archived_at, first.archived_at)
        self.assertEqual(self.beta.environments.retrieve(made.id).archived_at, first.archived_at)
        error = self.refused(anthropic.BadRequestError, self.beta.environments.update, made.id,
                             description="late")
        self.assertEqual(error.body["error"]["details"]["error_code"], "environment_archived")
        if sdk_case.IS_2026:
            self.assertEqual(type(error).__name__, "BetaEnvironmentArchivedError")

    def test_delete_answers_the_id_and_frees_the_name(self):
        name = system.unique("again")
        made = self.environment(name=name)
        gone = self.beta.environments.delete(made.id)
        self.assertEqual((gone.id, gone.type), (made.id, "environment_deleted"))
        self.refused(anthropic.NotFoundError, self.beta.environments.retrieve, made.id)
        self.refused(anthropic.NotFoundError, self.beta.environments.delete, made.id)
        self.assertNotEqual(self.environment(name=name).id, made.id)

    def test_an_archived_one_can_be_deleted(self):
        made = self.environment()
        self.beta.environments.archive(made.id)
        self.assertEqual(self.beta.environments.delete(made.id).id, made.id)

    def test_config_type_cannot_change(self):
        made = self.environment()
        error = self.refused(anthropic.BadRequestError, self.beta.environments.update, made.id,
                             config={"type": "self_hosted"})
        self.assertEqual(error.body["error"]["details"]["error_code"], "invalid_config_type_change")
        if sdk_case.IS_2026:
            self.assertEqual(type(error).__name__, "BetaInvalidConfigTypeChangeError")

    def test_another_tenants_environment_is_not_found(self):
        made = self.environment()
        stranger = self.tenant().beta.environments
        for call in (stranger.retrieve, stranger.delete, stranger.archive):
            self.refused(anthropic.NotFoundError, call, made.id)
        self.refused(anthropic.NotFoundError, stranger.update, made.id, description="mine")
        self.assertIsNone(self.beta.environments.retrieve(made.id).description)

    def test_ids_that_are_none_are_not_found(self):
        for wrong in ("env_00000000000000000000000000", "a/b c", "env_' OR 1=1 --", "ü" * 300):
            with self.subTest(id=wrong):
                self.refused(anthropic.NotFoundError, self.beta.environments.retrieve, wrong)

    def test_what_breaks_a_rule_is_named(self):
        for config, path in (
                (limited(allowed_hosts=["https://a.example"]), "allowed_hosts"),
                (limited(allowed_hosts=["*"]), "allowed_hosts"),
                ({"type": "cloud", "packages": {"pip": ["--index-url=x"]}}, "pip"),
                ({"type": "cloud", "packages": {"pip": ["x"]}, "networking": {"type": "limited"}},
                 "allow_package_managers"),
                ({"type": "clowd"}, "config"),
                ({}, "config")):
            with self.subTest(path=path, config=config):
                error = self.refused(anthropic.BadRequestError, self.beta.environments.create,
                                     name=system.unique("bad"), config=config)
                self.assertIn(path, str(error.body["error"]["message"]))
                self.assertEqual(error.body["error"]["type"], "invalid_request_error")

    def test_metadata_out_of_bounds_has_its_own_error_code(self):
        for metadata in ({f"k{i}": "v" for i in range(17)}, {"k" * 65: "v"}, {"k": "v" * 513}):
            error = self.refused(anthropic.BadRequestError, self.beta.environments.create,
                                 name=system.unique("bad"), metadata=metadata)
            self.assertEqual(error.body["error"]["details"]["error_code"], "invalid_metadata")


if __name__ == "__main__":
    unittest.main()
