#!/usr/bin/python3
"""The Helm chart without a cluster: lint, schema, and what its templates say. Needs helm on the PATH."""

import json
import os
import re
import subprocess
import unittest

import yaml

CHART = os.path.join(os.path.dirname(__file__), "../../deploy/kubernetes/paddock")


def helm(command, *arguments, values=None):
    # The oldest that the chart takes; without it helm assumes the one of its own time.
    version = ["--kube-version", "1.30.0"] if command == "template" else []
    return subprocess.run(
        ["helm", command, *version, *arguments, *(["--values", "-"] if values is not None else [])],
        input=json.dumps(values or {}), capture_output=True, text=True, timeout=60, check=False)


def render(values=None, *arguments):
    """Manifests by (kind, name), as `helm template` makes them."""
    result = helm("template", "paddock", CHART, "--namespace", "fleet", *arguments, values=values or {})
    if result.returncode != 0:
        raise AssertionError(result.stderr)
    found = {}
    for document in yaml.safe_load_all(result.stdout):
        if document:
            key = (document["kind"], document["metadata"]["name"])
            assert key not in found, f"{key} twice"
            found[key] = document
    return found


def pod_specs(manifests):
    for (kind, name), manifest in manifests.items():
        if kind in ("Deployment", "DaemonSet", "StatefulSet", "Job"):
            yield f"{kind} {name}", manifest["spec"]["template"]["spec"]
        elif kind == "Pod":
            yield f"{kind} {name}", manifest["spec"]


def agent_of(manifests):
    return manifests[("DaemonSet", "paddock-node-agent")]["spec"]["template"]["spec"]


class ChartTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.manifests = render()

    def test_lint_finds_nothing(self):
        result = helm("lint", "--strict", CHART)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        self.assertIn("0 chart(s) failed", result.stdout)

    def test_every_value_is_in_the_schema(self):
        with open(os.path.join(CHART, "values.yaml"), encoding="utf-8") as file:
            values = yaml.safe_load(file)
        with open(os.path.join(CHART, "values.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)

        def check(value, schema, path):
            if not isinstance(value, dict) or "properties" not in schema:
                return
            for key, below in value.items():
                self.assertIn(key, schema["properties"], f"{path}.{key}")
                check(below, schema["properties"][key], f"{path}.{key}")
        check(values, schema, "")

    def test_schema_refuses(self):
        cases = {
            "unknown key": {"controlPlane": {"replica": 3}},
            "no replica": {"controlPlane": {"replicas": 0}},
            "text for a number": {"nodeAgent": {"capacity": {"cpuMillis": "2"}}},
            "blocklist line": {"sandboxes": {"blocklist": ["deny 10.0.0.0/8"]}},
            "relative directory": {"nodeAgent": {"hostDirectory": "var/lib"}},
            "name without a kind": {"certificates": {"publicNames": ["paddock.example"]}},
            "a flag that is none": {"nodeAgent": {"extraFlags": ["rm"]}},
            "policy": {"images": {"pullPolicy": "Sometimes"}},
        }
        for name, values in cases.items():
            with self.subTest(name):
                result = helm("template", "paddock", CHART, values=values)
                self.assertNotEqual(result.returncode, 0)
                self.assertIn("values don't meet the specifications of the schema", result.stderr)

    def test_restricted_but_for_the_agent(self):
        """The restricted Pod Security Standard, without a token of the API unless it is needed."""
        with_token = {"Deployment paddock-certificates"}
        for name, spec in pod_specs(self.manifests):
            if name == "DaemonSet paddock-node-agent":
                continue
            with self.subTest(name):
                security = spec["securityContext"]
                self.assertTrue(security["runAsNonRoot"])
                self.assertNotEqual(security["runAsUser"], 0)
                self.assertEqual(security["seccompProfile"]["type"], "RuntimeDefault")
                for key in ("hostPID", "hostNetwork", "hostIPC"):
                    self.assertNotIn(key, spec)
                self.assertFalse([v for v in spec.get("volumes", []) if "hostPath" in v])
                if name not in with_token:
                    self.assertIs(spec["automountServiceAccountToken"], False)
                for container in spec["containers"] + spec.get("initContainers", []):
                    own = container["securityContext"]
                    self.assertIs(own["allowPrivilegeEscalation"], False)
                    self.assertIs(own["readOnlyRootFilesystem"], True)
                    self.assertEqual(own["capabilities"], {"drop": ["ALL"]})
                    self.assertIn("memory", container["resources"]["limits"])
                    self.assertIn("cpu", container["resources"]["requests"])

    def test_control_plane_rolls_without_a_gap(self):
        deployment = self.manifests[("Deployment", "paddock-control-plane")]
        self.assertEqual(deployment["spec"]["replicas"], 2)
        self.assertEqual(deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], 0)
        spec = deployment["spec"]["template"]["spec"]
        container = spec["containers"][0]
        self.assertIn("grpc", container["readinessProbe"])
        self.assertIn("grpc", container["livenessProbe"])
        # Liveness must not depend on the database.
        self.assertEqual(container["livenessProbe"]["grpc"]["service"], "live")
        self.assertNotIn("service", container["readinessProbe"]["grpc"])
        wait = container["lifecycle"]["preStop"]["sleep"]["seconds"]
        drain = int(next(a for a in container["args"] if a.startswith("--drain_timeout="))[16:-1])
        self.assertGreater(spec["terminationGracePeriodSeconds"], wait + drain + 5)
        self.assertEqual({c["topologyKey"] for c in spec["topologySpreadConstraints"]},
                         {"kubernetes.io/hostname", "topology.kubernetes.io/zone"})
        budget = self.manifests[("PodDisruptionBudget", "paddock-control-plane")]
        self.assertEqual(budget["spec"]["selector"], deployment["spec"]["selector"])
        self.assertEqual(self.manifests[("Service", "paddock-replicas")]["spec"]["clusterIP"], "None")

    def test_agent_asks_for_the_capacity_and_outlives_its_pod(self):
        values = {"nodeAgent": {"capacity": {"cpuMillis": 3000, "memoryMiB": 512, "sessions": 7}}}
        manifests = render(values)
        spec = agent_of(manifests)
        self.assertTrue(spec["hostPID"] and spec["hostNetwork"])
        self.assertEqual(spec["priorityClassName"], "system-node-critical")
        containers = {c["name"]: c for c in spec["containers"]}
        self.assertEqual(containers["companion"]["resources"]["requests"], {"cpu": "3000m", "memory": "512Mi"})
        flags = manifests[("ConfigMap", "paddock-node-agent")]["data"]["flags"].split()
        self.assertIn("--capacity_cpu_millis=3000", flags)
        self.assertIn("--capacity_memory_bytes=536870912", flags)
        self.assertIn("--max_sessions=7", flags)
        self.assertIn("--leave_cgroups", flags)
        self.assertIn("--uid_base=1879048192", flags)
        # Everything that sessions need lies on the node, at the same path.
        mounts = {m["name"]: m for m in containers["agent"]["volumeMounts"]}
        volumes = {v["name"]: v for v in spec["volumes"]}
        self.assertEqual(mounts["host-directory"]["mountPropagation"], "Bidirectional")
        for name in ("host-directory", "run", "cgroup"):
            self.assertEqual(volumes[name]["hostPath"]["path"], mounts[name]["mountPath"])
        for flag in ("state_dir", "volumes_dir", "volumes_file", "base_image", "blocklist", "resolv_conf",
                     "cert", "key", "ca", "not_schedulable_file"):
            value = next(f for f in flags if f.startswith(f"--{flag}="))
            self.assertTrue(value.split("=")[1].startswith("/var/lib/paddock/"), value)
        # Whoever takes over a node's kubelet reads the Secrets of its pods whole.
        self.assertFalse([v for v in spec["volumes"] if "secret" in v])
        # The agent itself can't ask the API server for anything.
        self.assertNotIn("token", mounts)
        self.assertIs(spec["automountServiceAccountToken"], False)

    def test_another_capacity_rolls_the_agents(self):
        def annotation(values):
            template = render(values)[("DaemonSet", "paddock-node-agent")]["spec"]["template"]
            return template["metadata"]["annotations"]["paddock/flags"]
        self.assertNotEqual(annotation({}), annotation({"nodeAgent": {"capacity": {"sessions": 9}}}))

    def test_two_releases_share_no_cluster_wide_name(self):
        other = {}
        for document in yaml.safe_load_all(helm("template", "second", CHART, "--namespace", "other").stdout):
            if document:
                other[(document["kind"], document["metadata"]["name"])] = document
        cluster_wide = [k for k in self.manifests if k[0].startswith("Cluster")]
        self.assertEqual(len(cluster_wide), 6)
        for key in cluster_wide:
            self.assertNotIn(key, other)

    def test_rights_are_as_small_as_said(self):
        rules = self.manifests[("ClusterRole", "fleet-paddock-node-agent")]["rules"]
        self.assertEqual({(r["resources"][0], *r["verbs"]) for r in rules},
                         {("nodes", "get", "list"), ("certificatesigningrequests", "create", "get")})
        signer = self.manifests[("ClusterRole", "fleet-paddock-certificates")]["rules"]
        bound = [r for r in signer if r["resources"] == ["signers"]]
        self.assertEqual(bound[0]["resourceNames"], ["paddock.local/node-agent"])

    def test_only_the_container_that_lists_nodes_may_ask_the_api_server(self):
        def control_plane(manifests):
            subjects = [s["name"] for key, m in manifests.items() if key[0].endswith("RoleBinding")
                        for s in m["subjects"]]
            spec = manifests[("Deployment", "paddock-control-plane")]["spec"]["template"]["spec"]
            self.assertIs(spec["automountServiceAccountToken"], False)
            return spec, "paddock-control-plane" in subjects

        spec, bound = control_plane(self.manifests)
        self.assertTrue(bound)
        rules = self.manifests[("ClusterRole", "fleet-paddock-control-plane")]["rules"]
        self.assertEqual(rules, [{"apiGroups": [""], "resources": ["nodes"], "verbs": ["list"]}])
        containers = {c["name"]: c for c in spec["containers"]}
        mounts = {name: {m["name"]: m for m in c["volumeMounts"]} for name, c in containers.items()}
        self.assertIn("token", mounts["node-list"])
        self.assertNotIn("token", mounts["control-plane"])
        self.assertIs(mounts["control-plane"]["nodes"]["readOnly"], True)
        self.assertIn("--node_listing=/run/paddock/nodes", containers["control-plane"]["args"])
        self.assertEqual({e["name"]: e["value"] for e in containers["node-list"]["env"]}, {"FILE": "/run/paddock/nodes"})
        # Without it there is nothing of it.
        manifests = render({"controlPlane": {"watchNodes": False}})
        spec, bound = control_plane(manifests)
        self.assertFalse(bound)
        self.assertEqual([c["name"] for c in spec["containers"]], ["control-plane"])
        self.assertEqual({v["name"] for v in spec["volumes"]}, {"public", "internal"})
        self.assertNotIn("node_listing", str(spec))
        self.assertNotIn(("ClusterRole", "fleet-paddock-control-plane"), manifests)

    def test_external_database(self):
        manifests = render({"database": {"existingSecret": "mine", "secretKey": "dsn"}})
        self.assertFalse([k for k in manifests if "postgresql" in k[1] or k == ("Secret", "paddock-database")])
        env = manifests[("Deployment", "paddock-control-plane")]["spec"]["template"]["spec"]["containers"][0]["env"]
        self.assertEqual(env[0]["valueFrom"]["secretKeyRef"], {"name": "mine", "key": "dsn"})

    def test_cert_manager(self):
        manifests = render({"certificates": {"certManager": True, "publicNames": ["DNS:p.example", "IP:192.0.2.7"]}})
        internal = manifests[("Certificate", "paddock-internal")]["spec"]
        self.assertEqual(internal["uris"], ["paddock:control-plane"])
        public = manifests[("Certificate", "paddock-public")]["spec"]
        self.assertIn("p.example", public["dnsNames"])
        self.assertIn("192.0.2.7", public["ipAddresses"])
        self.assertIn("paddock-grpc.fleet.svc.cluster.local", public["dnsNames"])
        for spec in (internal, public):
            self.assertEqual(spec["secretName"].split("-")[0], "paddock")
        env = {e["name"]: e.get("value") for e in
               manifests[("Deployment", "paddock-certificates")]["spec"]["template"]["spec"]["containers"][0]["env"]}
        self.assertEqual(env["MANAGE"], "no")

    def test_ipv6(self):
        args = render({"ipv6": True})[("Deployment", "paddock-control-plane")]["spec"]["template"]["spec"][
            "containers"][0]["args"]
        listeners = [a for a in args if re.match(r"--([a-z]+_)?listen=", a)]
        self.assertEqual(len(listeners), 5)
        for listener in listeners:
            self.assertIn("=[::]:", listener)

    def test_agents_serve_on_the_address_that_the_kubelet_names(self):
        """The first of a node with several, of whatever family; the program adds brackets."""
        agent = next(c for c in agent_of(self.manifests)["containers"] if c["name"] == "agent")
        env = {e["name"]: e["valueFrom"]["fieldRef"]["fieldPath"] for e in agent["env"]}
        self.assertEqual(env["HOST_IP"], "status.hostIP")
        self.assertIn("--listen=$(HOST_IP):7501", agent["args"])
        self.assertIn("--metrics_listen=$(HOST_IP):7601", agent["args"])
        # Where a refusal to start says why.
        self.assertIn("--termination_log=/dev/termination-log", agent["args"])

    def test_key_is_printed_at_the_install_only(self):
        key = ("Job", "paddock-api-key")
        self.assertIn("--if_none", self.manifests[key]["spec"]["template"]["spec"]["containers"][0]["args"])
        self.assertNotIn(key, render({}, "--is-upgrade"))

    def test_clean_up_needs_nothing_but_the_node(self):
        spec = agent_of(render({"nodeAgent": {"cleanUp": True}}))
        self.assertEqual([c["name"] for c in spec["initContainers"]], ["clean-up"])
        self.assertIn("nodeagent cleanup", spec["initContainers"][0]["command"][2])
        self.assertNotIn("agent", [c["name"] for c in spec["containers"]])

    def test_policies_select_pods_that_exist(self):
        labels = [m["spec"]["template"]["metadata"]["labels"] for (kind, _), m in self.manifests.items()
                  if kind in ("Deployment", "StatefulSet", "Job")]
        labels += [m["metadata"]["labels"] for (kind, _), m in self.manifests.items() if kind == "Pod"]
        policies = [m for (kind, _), m in self.manifests.items() if kind == "NetworkPolicy"]
        self.assertEqual(len(policies), 4)
        for policy in policies:
            selector = policy["spec"]["podSelector"]
            wanted = selector["matchLabels"].items()
            self.assertTrue(any(wanted <= each.items() for each in labels), policy["metadata"]["name"])

    def test_dashboard_asks_for_metrics_that_exist(self):
        dashboard = json.loads(self.manifests[("ConfigMap", "paddock-dashboard")]["data"]["paddock.json"])
        source = subprocess.run(
            ["grep", "-rhoE", '"paddock_[a-z_]+"', os.path.join(CHART, "../../../controlplane"),
             os.path.join(CHART, "../../../nodeagent"), os.path.join(CHART, "../../../common")],
            capture_output=True, text=True, check=True).stdout.replace('"', "").split()
        asked = set()
        for panel in dashboard["panels"]:
            for target in panel["targets"]:
                asked.update(re.findall(r"paddock_[a-z_]+", target["expr"]))
        self.assertGreater(len(asked), 8)
        for metric in asked:
            self.assertIn(re.sub("_(bucket|count|sum)$", "", metric), source)


if __name__ == "__main__":
    unittest.main(verbosity=2)
