#!/usr/bin/python3
"""Scripts of deploy/kubernetes/scripts against a pretended API server on loopback."""

import base64
import http.server
import json
import os
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
from urllib.parse import parse_qs, urlparse

SCRIPTS = os.path.join(os.path.dirname(__file__), "../../deploy/kubernetes/scripts")


def node(name):
    return {"metadata": {"name": name, "uid": f"uid-of-{name}"}}


def listing(items, more=""):
    return 200, json.dumps({"kind": "PartialObjectMetadataList", "metadata": {"continue": more}, "items": items})


class ApiServer(http.server.ThreadingHTTPServer):
    """Answers a GET with objects[path], else answer(token of the page), and keeps what was asked."""

    daemon_threads = True

    def __init__(self, certificate, key):
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.answer = lambda token: listing([node("a")])
        self.objects = {}
        self.asked = []


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        url = urlparse(self.path)
        token = parse_qs(url.query).get("continue", [""])[0]
        if url.path in self.server.objects:
            status, body = 200, json.dumps(self.server.objects[url.path])
        else:
            status, body = self.server.answer(token)
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())
        self.server.asked.append((url.path, self.headers["authorization"], self.headers["accept"], token))

    def do_POST(self):
        length = int(self.headers["content-length"])
        request = json.loads(self.rfile.read(length))
        body = json.dumps({"metadata": {"name": "request-1"}, "spec": request["spec"]})
        self.send_response(201)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_):
        pass


class ScriptTest(unittest.TestCase):
    """A directory with what a pod's service account has, and the API server that it is for."""

    def setUp(self):
        directory = tempfile.TemporaryDirectory()
        self.addCleanup(directory.cleanup)
        self.directory = directory.name
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-keyout", self.path("key"), "-out", self.path("ca.crt"), "-days", "1", "-subj", "/CN=api",
                        "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        self.write("token", "secret-token")
        self.server = ApiServer(self.path("ca.crt"), self.path("key"))
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.addCleanup(self.server.server_close)
        self.addCleanup(self.server.shutdown)
        self.environment = {
            "PATH": os.environ["PATH"], "ACCOUNT": self.directory, "KUBERNETES_SERVICE_HOST": "127.0.0.1",
            "KUBERNETES_SERVICE_PORT": str(self.server.server_port)}

    def path(self, name):
        return os.path.join(self.directory, name)

    def write(self, name, text):
        with open(self.path(name), "w", encoding="utf-8") as file:
            file.write(text)
        return self.path(name)


class CompanionTest(ScriptTest):
    """What node-companion tells an agent before it starts."""

    def prepare(self, node):
        nodes = {"kind": "NodeList", "items": [node, {
            "metadata": {"name": "other"}, "spec": {"podCIDRs": ["10.244.1.0/24", "fd00:244:1::/64"]},
            "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.8"}, {"type": "ExternalIP", "address": "203.0.113.8"},
                                     {"type": "Hostname", "address": "other"}]}}]}
        with open(self.path("ca.crt"), "rb") as file:
            certificate = base64.b64encode(file.read()).decode()
        requests = "/apis/certificates.k8s.io/v1/certificatesigningrequests"
        self.server.objects = {"/api/v1/nodes/worker": node, "/api/v1/nodes": nodes,
                               requests + "/request-1": {"status": {"certificate": certificate}}}
        result = subprocess.run(
            [os.path.join(SCRIPTS, "node-companion"), "prepare"], capture_output=True, text=True, timeout=60, check=False,
            env=self.environment | {
                "DIRECTORY": self.path("node"), "NODE_NAME": "worker", "DAYS": "90", "TOLERATED_TAINTS": "",
                "HOST_RESOLV_CONF": self.write("host-resolv.conf", "nameserver 192.0.2.53\n"),
                "CA_FILE": self.path("ca.crt"), "BLOCKLIST": self.write("blocklist", "block 198.51.100.0/24\n"),
                "FLAGS": self.write("flags", "--instance=0\n")})
        self.assertEqual(result.returncode, 0, result.stderr)

    def read(self, name):
        with open(self.path("node/" + name), encoding="utf-8") as file:
            return file.read().splitlines()

    def worker(self, **spec):
        return {"metadata": {"name": "worker", "uid": "0b1e-7", "labels": {"zone": "a", "odd": "x,y"}},
                "spec": {"podCIDRs": ["10.244.0.0/24"], **spec},
                "status": {"addresses": [{"type": "InternalIP", "address": "192.0.2.7"},
                                         {"type": "InternalIP", "address": "fd00::7"},
                                         {"type": "ExternalIP", "address": "203.0.113.7"}]}}

    def test_every_address_of_every_node_is_on_the_blocklist(self):
        self.prepare(self.worker())
        lines = self.read("blocklist")
        self.assertEqual(lines[0], "block 198.51.100.0/24")
        self.assertEqual(set(lines[2:]), {
            f"block {a}" for a in ("192.0.2.7", "fd00::7", "203.0.113.7", "192.0.2.8", "203.0.113.8", "10.244.0.0/24",
                                   "10.244.1.0/24", "fd00:244:1::/64", "127.0.0.1")})
        self.assertEqual(self.read("resolv.conf"), ["nameserver 192.0.2.53"])

    def test_an_agent_is_told_which_object_stands_for_its_machine(self):
        self.prepare(self.worker())
        flags = self.read("agent.flags")
        self.assertRegex(flags[1], r"^--node_object=[0-9a-f]{16}/worker/0b1e-7$")
        self.assertEqual(flags[2], "--labels=zone=a")
        self.assertEqual(self.read("cleanup.flags"), ["--instance=0"])

    def test_cordons_and_taints_keep_sessions_away(self):
        self.prepare(self.worker())
        self.assertEqual(self.read("not-schedulable"), [])
        self.prepare(self.worker(unschedulable=True))
        self.assertRegex(self.read("not-schedulable")[0], "^NODE_CORDONED")
        self.prepare(self.worker(taints=[{"key": "gpu", "effect": "NoSchedule"}, {"key": "soft", "effect": "PreferNoSchedule"}]))
        self.assertEqual(self.read("not-schedulable"), ["NODE_TAINTED: gpu"])


class NodeListTest(ScriptTest):
    """The list of Node objects: whole, or as it was."""

    def setUp(self):
        super().setUp()
        self.file = self.path("nodes")
        self.script = None

    def start(self):
        self.script = subprocess.Popen(
            [os.path.join(SCRIPTS, "node-list")], stderr=subprocess.PIPE, text=True,
            env=self.environment | {"FILE": self.file, "INTERVAL": "0.05"})
        self.addCleanup(self.end)

    def end(self):
        self.script.terminate()
        _, self.log = self.script.communicate(timeout=20)

    def wait(self, condition):
        deadline = time.monotonic() + 20
        while not condition():
            self.assertLess(time.monotonic(), deadline, "waited in vain")
            time.sleep(0.02)

    def read(self):
        if not os.path.exists(self.file):
            return None
        with open(self.file, encoding="utf-8") as file:
            return file.read()

    def nodes(self):
        lines = (self.read() or "").splitlines()
        return [line.split()[1:] for line in lines if line.startswith("node ")]

    def test_names_every_node_again_and_again(self):
        self.server.answer = lambda token: listing([node("a"), node("b")])
        self.start()
        self.wait(self.read)
        first = self.read()
        lines = first.splitlines()
        self.assertRegex(lines[0], r"^listing [0-9a-f]{16} \S+$")
        self.assertEqual(lines[1:], ["node a uid-of-a", "node b uid-of-b", "end"])
        self.wait(lambda: self.read() != first)
        self.assertEqual(self.read().splitlines()[1:], lines[1:])
        self.assertEqual(self.read().split()[1], lines[0].split()[1], "the same cluster")
        path, authorization, accept, token = self.server.asked[0]
        self.assertEqual((path, authorization, token), ("/api/v1/nodes", "Bearer secret-token", ""))
        self.assertIn("PartialObjectMetadataList", accept)

    def test_pages_make_one_list(self):
        pages = {"": listing([node("a")], "t1"), "t1": listing([node("b")], "t2"), "t2": listing([node("c")])}
        self.server.answer = pages.__getitem__
        self.start()
        self.wait(self.read)
        self.assertEqual([name for name, _ in self.nodes()], ["a", "b", "c"])

    def test_what_is_no_whole_answer_changes_nothing(self):
        pages = {"": listing([node("b")], "t1"), "t1": (410, '{"kind": "Status", "reason": "Expired"}')}
        bad = {
            "an error": lambda token: (500, '{"kind": "Status"}'),
            "forbidden": lambda token: (403, '{"kind": "Status"}'),
            "another kind": lambda token: (200, '{"kind": "Status", "status": "Failure"}'),
            "no node at all": lambda token: listing([]),
            "cut short": lambda token: (200, listing([node("b")])[1][:60]),
            "nothing": lambda token: (200, ""),
            "a node without a uid": lambda token: listing([node("b"), {"metadata": {"name": "c"}}]),
            "a page that has expired": pages.__getitem__,
        }
        self.start()
        self.wait(self.read)
        for name, answer in bad.items():
            with self.subTest(name):
                self.server.answer = lambda token: listing([node("a")])
                before = self.read()
                self.wait(lambda: self.read() != before)
                self.server.answer = answer
                # The third new request was made after the first was judged.
                self.wait_requests(3)
                after = self.read()
                self.wait_requests(3)
                self.assertEqual(self.read(), after)
                self.assertEqual(self.nodes(), [["a", "uid-of-a"]])

    def wait_requests(self, count):
        wanted = len(self.server.asked) + count
        self.wait(lambda: len(self.server.asked) >= wanted)

    def test_an_api_server_that_is_away_changes_nothing(self):
        self.start()
        self.wait(self.read)
        self.server.shutdown()
        self.server.server_close()
        self.assertIn("no list of nodes", self.script.stderr.readline() + self.script.stderr.readline())
        self.assertEqual(self.nodes(), [["a", "uid-of-a"]])
        self.assertIsNone(self.script.poll(), "it goes on")

    def test_another_authority_is_another_cluster(self):
        self.start()
        self.wait(self.read)
        first = self.read().split()[1]
        self.end()
        with open(self.path("ca.crt"), "a", encoding="utf-8") as file:
            file.write("\n# rotated\n")
        self.start()
        self.wait(lambda: self.read().split()[1] != first)


if __name__ == "__main__":
    unittest.main(verbosity=2)
