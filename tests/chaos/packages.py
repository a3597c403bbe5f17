"""A shelf with packages for builds, and what an installed one has to be like."""

import base64
import glob
import hashlib
import http.server
import io
import os
import random
import threading
import time
import urllib.parse
import zipfile
from collections import Counter

from topology import JOURNAL

PORT = 8000
FILES = 60
FILE_BYTES = 4096
PIECES = 20
# What an installed package says about itself: all of it is there, as it was made.
CHECK = """
import hashlib, os
def verify():
    here = os.path.dirname(__file__)
    digest = hashlib.sha256()
    for name in sorted(n for n in os.listdir(here) if n.endswith('.data')):
        with open(os.path.join(here, name), 'rb') as file:
            digest.update(name.encode() + file.read())
    return digest.hexdigest()
"""


class Package:
    """Installable by pip from the shelf, whose answer takes `seconds`. The same name is the same bytes."""

    def __init__(self, name, seconds=0.0):
        self.name = name
        self._wheel = f"{name}-1.0-py3-none-any.whl"
        self.spec = f"http://{JOURNAL}:{PORT}/{seconds:g}/{self._wheel}"
        self.digest = _digest(_files(name))

    def command(self):
        """For a sandbox: succeeds where the whole package is installed."""
        return ["python3", "-c", f"import {self.name} as p, sys; sys.exit(p.verify() != '{self.digest}')"]


def installed(layers):
    """name -> whether it is whole, of every package in a node's directory of layers."""
    found = {}
    for path in glob.glob(f"{layers}/*/rootfs/usr/local/lib/python3*/dist-packages/chaos_*"):
        name = os.path.basename(path)
        if name.endswith(".dist-info"):
            continue
        files = {}
        for file_name in os.listdir(path):
            if file_name.endswith(".data"):
                with open(f"{path}/{file_name}", "rb") as file:
                    files[file_name] = file.read()
        found[name] = found.get(name, True) and _digest(files) == _digest(_files(name))
    return found


def _files(name):
    rng = random.Random(name)
    return {f"{i:03}.data": rng.randbytes(FILE_BYTES) for i in range(FILES)}


def _digest(files):
    digest = hashlib.sha256()
    for name, data in sorted(files.items()):
        digest.update(name.encode() + data)
    return digest.hexdigest()


def _wheel(name):
    info = f"{name}-1.0.dist-info"
    members = {f"{name}/{path}": data for path, data in _files(name).items()}
    members[f"{name}/__init__.py"] = CHECK.encode()
    members[f"{info}/METADATA"] = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n".encode()
    members[f"{info}/WHEEL"] = (b"Wheel-Version: 1.0\nGenerator: chaos\nRoot-Is-Purelib: true\n"
                                b"Tag: py3-none-any\n")
    record = "".join(f"{path},{_record_hash(data)},{len(data)}\n" for path, data in members.items())
    members[f"{info}/RECORD"] = (record + f"{info}/RECORD,,\n").encode()
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for path, data in members.items():
            archive.writestr(path, data)
    return buffer.getvalue()


def _record_hash(data):
    return "sha256=" + base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip("=")


class Shelf:
    """Serves every package that it is asked for, in pieces and as slowly as its address says. Runs until
    the process ends. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._begun = Counter()
        self._served = Counter()
        shelf = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                _, seconds, wheel = urllib.parse.urlparse(self.path).path.split("/")
                name = wheel.split("-")[0]
                data = _wheel(name)
                shelf.count(shelf._begun, name)  # pylint: disable=protected-access
                self.send_response(200)
                self.send_header("Content-Type", "application/zip")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                step = -(-len(data) // PIECES)
                for start in range(0, len(data), step):
                    self.wfile.write(data[start:start + step])
                    time.sleep(float(seconds) / PIECES)
                shelf.count(shelf._served, name)  # pylint: disable=protected-access

            def log_message(self, *unused):  # pylint: disable=arguments-differ
                pass

        self._server = http.server.ThreadingHTTPServer((JOURNAL, PORT), Handler)
        self._server.handle_error = lambda *unused: None  # Builds are killed, and hang up.
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def count(self, counter, name):
        with self._lock:
            counter[name] += 1

    def begun(self, name):
        with self._lock:
            return self._begun[name]

    def totals(self):
        """Downloads that began, and those that came to their end."""
        with self._lock:
            return sum(self._begun.values()), sum(self._served.values())
