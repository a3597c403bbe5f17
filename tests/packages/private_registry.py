#!/usr/bin/env python3
"""A company's registries: one of each package manager, over TLS, with one package each, made here.

private_registry.py DIRECTORY NAMESPACE ADDRESS DOMAIN RESOLVER

Writes ca.crt (of an authority of its own) and the registries' files to DIRECTORY, serves them in the
network namespace as https://<manager>.DOMAIN/ with a certificate for these names, and then makes
DIRECTORY/ready. https://tools.DOMAIN/ is no registry, and has a file. A name server on ADDRESS answers for the names below DOMAIN, and asks RESOLVER, from
where it was started, for all others. DIRECTORY/root/<manager> is what each registry serves: the gem
is for others to put there.
"""
import base64
import ctypes
import email.utils
import hashlib
import http.server
import io
import json
import os
import socket
import ssl
import struct
import subprocess
import sys
import tarfile
import threading
import zipfile

HOSTS = ("apt", "cargo", "gem", "go", "npm", "pip", "tools")
CLONE_NEWNET = 0x40000000


def run(*command, **options):
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **options)


def write(path, data):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "wb") as file:
        file.write(data if isinstance(data, bytes) else data.encode())


def tar_gz(files):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(text)
            member.mode = 0o644
            archive.addfile(member, io.BytesIO(text.encode()))
    return buffer.getvalue()


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return buffer.getvalue()


def make_certificates(directory, domain):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
        "/CN=A company's authority", "-addext", "keyUsage=critical,keyCertSign,cRLSign",
        "-keyout", "ca.key", "-out", "ca.crt", cwd=directory)
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={domain}", "-keyout",
        "server.key", "-out", "server.csr", cwd=directory)
    names = ",".join(f"DNS:{host}.{domain}" for host in HOSTS)
    write(f"{directory}/names", f"subjectAltName={names}\n")
    run("openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.crt", "-CAkey", "ca.key",
        "-CAcreateserial", "-days", "2", "-extfile", "names", "-out", "server.crt", cwd=directory)


def make_apt(root, work):
    write(f"{work}/deb/DEBIAN/control",
          "Package: hello-apt\nVersion: 1.0\nArchitecture: all\nMaintainer: t <t@example.org>\n"
          "Description: says hello\n")
    write(f"{work}/deb/usr/bin/hello-apt", "#!/bin/sh\necho hello from apt\n")
    os.chmod(f"{work}/deb/usr/bin/hello-apt", 0o755)
    os.makedirs(f"{root}/apt")
    run("dpkg-deb", "--root-owner-group", "--build", f"{work}/deb", f"{root}/apt/hello-apt.deb")
    deb = open(f"{root}/apt/hello-apt.deb", "rb").read()
    packages = (open(f"{work}/deb/DEBIAN/control").read() + "Filename: ./hello-apt.deb\n"
                f"Size: {len(deb)}\nSHA256: {hashlib.sha256(deb).hexdigest()}\n\n")
    write(f"{root}/apt/Packages", packages)
    sha = hashlib.sha256(packages.encode()).hexdigest()
    write(f"{root}/apt/Release", f"Suite: company\nDate: {email.utils.formatdate(usegmt=True)}\n"
          f"SHA256:\n {sha} {len(packages)} Packages\n")


def make_pip(root):
    name = "hello_pip-1.0"
    write(f"{root}/pip/{name}-py3-none-any.whl", zipped({
        "hello_pip.py": "print('hello from pip')\n",
        f"{name}.dist-info/METADATA": "Metadata-Version: 2.1\nName: hello-pip\nVersion: 1.0\n",
        f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
                                   "Tag: py3-none-any\n",
        f"{name}.dist-info/RECORD": f"hello_pip.py,,\n{name}.dist-info/RECORD,,\n"}))
    write(f"{root}/pip/simple/hello-pip/index.html",
          f'<a href="/{name}-py3-none-any.whl">{name}-py3-none-any.whl</a>')


def make_npm(root, url):
    package = {"name": "hello-npm", "version": "1.0.0", "main": "index.js"}
    data = tar_gz({"package/package.json": json.dumps(package),
                   "package/index.js": "module.exports = 'hello from npm';\n"})
    write(f"{root}/npm/files/hello-npm-1.0.0.tgz", data)
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    version = dict(package, dist={"tarball": f"{url}/files/hello-npm-1.0.0.tgz",
                                  "integrity": integrity})
    write(f"{root}/npm/hello-npm", json.dumps({
        "name": "hello-npm", "dist-tags": {"latest": "1.0.0"}, "versions": {"1.0.0": version}}))


def make_cargo(root, url):
    top = "hello-cargo-1.0.0"
    data = tar_gz({
        f"{top}/Cargo.toml": '[package]\nname = "hello-cargo"\nversion = "1.0.0"\nedition = "2021"\n',
        f"{top}/Cargo.lock": 'version = 3\n\n[[package]]\nname = "hello-cargo"\nversion = "1.0.0"\n',
        f"{top}/src/main.rs": 'fn main() { println!("hello from cargo"); }\n'})
    write(f"{root}/cargo/files/{top}.crate", data)
    write(f"{root}/cargo/config.json",
          json.dumps({"dl": url + "/files/{crate}-{version}.crate"}))
    write(f"{root}/cargo/he/ll/hello-cargo", json.dumps({
        "name": "hello-cargo", "vers": "1.0.0", "deps": [], "features": {}, "yanked": False,
        "cksum": hashlib.sha256(data).hexdigest()}) + "\n")


def make_go(root):
    module, version = "hello.example/hello-go", "v1.0.0"
    files = {"go.mod": f"module {module}\n\ngo 1.19\n",
             "main.go": 'package main\n\nfunc main() { println("hello from go") }\n'}
    info = json.dumps({"Version": version, "Time": "2025-01-01T00:00:00Z"})
    base = f"{root}/go/{module}"
    write(f"{base}/@v/list", version + "\n")
    write(f"{base}/@latest", info)
    write(f"{base}/@v/{version}.info", info)
    write(f"{base}/@v/{version}.mod", files["go.mod"])
    write(f"{base}/@v/{version}.zip",
          zipped({f"{module}@{version}/{name}": text for name, text in files.items()}))


class Handler(http.server.SimpleHTTPRequestHandler):
    """The files of the host that the first label of its name says."""

    protocol_version = "HTTP/1.1"

    def translate_path(self, path):
        self.directory = os.path.join(ROOT, self.headers["Host"].partition(".")[0])
        return super().translate_path(path)

    def log_message(self, *arguments):
        pass


class TlsServer(http.server.ThreadingHTTPServer):
    """Shakes hands in the thread of the connection: a client that doesn't keeps no other waiting."""

    def __init__(self, address, context):
        super().__init__(address, Handler)
        self.context = context

    def process_request_thread(self, request, client_address):
        try:
            request.settimeout(30)
            request = self.context.wrap_socket(request, server_side=True)
        except OSError:
            self.shutdown_request(request)
            return
        super().process_request_thread(request, client_address)

    def shutdown_request(self, request):
        """Says goodbye: apt takes an end without it for an attack."""
        try:
            if isinstance(request, ssl.SSLSocket):
                request.settimeout(2)
                request = request.unwrap()
        except OSError:
            pass
        super().shutdown_request(request)


def answer(query, address, domain):
    """What the name server says to a query; None: it has to be asked elsewhere."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode("latin-1").lower())
        at += 1 + query[at]
    if not ".".join(labels).endswith(domain):
        return None
    question = query[12:at + 5]
    record = b""
    if question.endswith(b"\0\1\0\1"):  # An IPv4 address.
        record = b"\xc0\x0c" + struct.pack("!HHIH", 1, 1, 5, 4) + socket.inet_aton(address)
    header = query[:2] + struct.pack("!HHHHH", 0x8180, 1, 1 if record else 0, 0, 0)
    return header + question + record


def serve_names(server, upstream, address, domain):
    while True:
        query, client = server.recvfrom(4096)
        try:
            reply = answer(query, address, domain)
            if reply is None:
                upstream.send(query)
                # Late answers to earlier queries are passed over.
                while reply is None or reply[:2] != query[:2]:
                    reply = upstream.recv(65535)
        except (IndexError, OSError):
            continue  # The client asks again.
        server.sendto(reply, client)


def main():
    directory, namespace, address, domain, resolver = sys.argv[1:]
    upstream = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    upstream.settimeout(1.4)
    upstream.connect((resolver, 53))
    with open(f"/run/netns/{namespace}", "rb") as file:
        if ctypes.CDLL(None, use_errno=True).setns(file.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), "setns")
    make_certificates(directory, domain)
    make_apt(ROOT, directory)
    make_pip(ROOT)
    make_npm(ROOT, f"https://npm.{domain}")
    make_cargo(ROOT, f"https://cargo.{domain}")
    make_go(ROOT)
    write(f"{ROOT}/tools/hello", "hello from tools")
    names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    names.bind((address, 53))
    threading.Thread(target=serve_names, args=(names, upstream, address, domain), daemon=True).start()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/server.crt", f"{directory}/server.key")
    server = TlsServer((address, 443), context)
    write(f"{directory}/ready", "")
    server.serve_forever()


ROOT = f"{sys.argv[1]}/root"
main()
