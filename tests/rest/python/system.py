"""The running system under test, and a plain HTTPS connection to it."""

import http.client
import itertools
import json
import os
import pathlib
import re
import socket
import ssl
import subprocess
import time
import urllib.parse

BETA = "managed-agents-2026-04-01"
URL = os.environ.get("PADDOCK_HTTP_URL", "")
HOST = urllib.parse.urlsplit(URL).hostname
PORT = urllib.parse.urlsplit(URL).port
KEY = os.environ.get("PADDOCK_API_KEY", "")
HOME = os.environ.get("PADDOCK_HOME", "")

_numbers = itertools.count()


def unique(stem):
    """A name that no other test or run uses."""
    return f"{stem}-{os.getpid()}-{time.time_ns()}-{next(_numbers)}"


def new_key():
    """A key of a workspace of its own, so that lists hold what the test made and nothing else."""
    made = subprocess.run(
        [f"{HOME}/bin/controlplane", "create-api-key", "--organization=rest-tests",
         f"--workspace={unique('w')}", "--name=rest-tests"],
        check=True, capture_output=True, text=True, timeout=30)
    return made.stdout.strip()


def write_profile(home):
    """Makes the clients' default profile: this server, this key.

    Answers the variables that lead there: ant reads XDG_CONFIG_HOME, the Python SDK HOME.
    """
    for name, content in (
            ("configs", {"version": "1.0", "base_url": URL,
                         "authentication": {"type": "user_oauth"}}),
            ("credentials", {"version": "1.0", "type": "oauth_token", "access_token": KEY,
                             "refresh_token": "unused", "expires_at": 4102444800})):
        folder = pathlib.Path(home) / ".config" / "anthropic" / name
        folder.mkdir(parents=True, mode=0o700)
        file = folder / "default.json"
        file.write_text(json.dumps(content), encoding="utf-8")
        file.chmod(0o600)
    return {"HOME": home, "XDG_CONFIG_HOME": f"{home}/.config"}


def tls_context():
    return ssl.create_default_context(cafile=os.environ["PADDOCK_CA"])


def connect(context=None, timeout=30):
    """A TLS connection to the server."""
    plain = socket.create_connection((HOST, PORT), timeout=timeout)
    return (context or tls_context()).wrap_socket(plain, server_hostname=HOST)


def control_plane_pid():
    with open(f"{HOME}/run/controlplane.pid", encoding="ascii") as file:
        return int(file.read().split()[0])


def control_plane_status(field):
    """A number of /proc/PID/status of the control plane, such as Threads or VmRSS (KiB)."""
    with open(f"/proc/{control_plane_pid()}/status", encoding="ascii") as file:
        return int(re.search(rf"^{field}:\s+(\d+)", file.read(), re.MULTILINE).group(1))


def wait_for(condition, what, seconds=20):
    """The first true result of condition(); an AssertionError after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s in vain: {what}")
        time.sleep(0.02)


class Answer:
    """One HTTP answer; `json` is its body, or None when that isn't JSON."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = headers
        self.body = body
        try:
            self.json = json.loads(body)
        except ValueError:
            self.json = None

    @property
    def error(self):
        """The error object, in the form that every client reads."""
        assert self.json and self.json["type"] == "error", self
        return self.json["error"]

    def __repr__(self):
        return f"{self.status} {self.body[:400]!r}"


class Wire:
    """A keep-alive connection that sends what it is told, no more."""

    def __init__(self, key=KEY):
        self._key = key
        self._connection = http.client.HTTPSConnection(
            HOST, PORT, timeout=60, context=tls_context())

    def close(self):
        self._connection.close()

    def call(self, method, path, body=None, headers=None):
        """`body`: bytes as they are, anything else as JSON. `headers`: pairs; None: the usual."""
        if headers is None:
            headers = [("authorization", f"Bearer {self._key}"), ("anthropic-beta", BETA),
                       ("anthropic-version", "2026-10-21")]
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        connection = self._connection
        connection.putrequest(method, path, skip_accept_encoding=True)
        for name, value in headers:
            connection.putheader(name, value)
        if body is not None:
            connection.putheader("content-type", "application/json")
        if body is not None or method == "POST":
            connection.putheader("content-length", str(len(body or b"")))
        connection.endheaders(body)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
