#!/usr/bin/env python3
"""A registry of all six package managers, over TLS, with one package each that is made here.

private_registry.py DIRECTORY ADDRESS PORT

Writes ca.crt (of an authority of its own) and the registry's files to DIRECTORY, serves them on
ADDRESS:PORT with a certificate for ADDRESS, and then makes DIRECTORY/ready. What is put into
DIRECTORY/root/gem later is served too.
"""
import base64
import hashlib
import http.server
import io
import json
import os
import ssl
import subprocess
import sys
import tarfile
import zipfile


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


def make_certificates(directory, address):
    run("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj",
        "/CN=A company's authority", "-keyout", "ca.key", "-out", "ca.crt", cwd=directory)
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={address}", "-keyout",
        "server.key", "-out", "server.csr", cwd=directory)
    write(f"{directory}/names", f"subjectAltName=IP:{address}\n")
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
    write(f"{root}/apt/Release", f"Suite: local\nSHA256:\n {sha} {len(packages)} Packages\n")


def make_pip(root):
    name = "hello_pip-1.0"
    write(f"{root}/pip/{name}-py3-none-any.whl", zipped({
        "hello_pip.py": "print('hello from pip')\n",
        f"{name}.dist-info/METADATA": "Metadata-Version: 2.1\nName: hello-pip\nVersion: 1.0\n",
        f"{name}.dist-info/WHEEL": "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\n"
                                   "Tag: py3-none-any\n",
        f"{name}.dist-info/RECORD": f"hello_pip.py,,\n{name}.dist-info/RECORD,,\n"}))
    write(f"{root}/pip/simple/hello-pip/index.html",
          f'<a href="/pip/{name}-py3-none-any.whl">{name}-py3-none-any.whl</a>')


def make_npm(root, url):
    package = {"name": "hello-npm", "version": "1.0.0", "main": "index.js"}
    data = tar_gz({"package/package.json": json.dumps(package),
                   "package/index.js": "module.exports = 'hello from npm';\n"})
    write(f"{root}/npm-files/hello-npm-1.0.0.tgz", data)
    integrity = "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode()
    version = dict(package, dist={"tarball": f"{url}/npm-files/hello-npm-1.0.0.tgz",
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
          json.dumps({"dl": url + "/cargo/files/{crate}-{version}.crate"}))
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
    def log_message(self, *arguments):
        pass


def main():
    directory, address, port = sys.argv[1:]
    root, url = f"{directory}/root", f"https://{address}:{port}"
    make_certificates(directory, address)
    make_apt(root, directory)
    make_pip(root)
    make_npm(root, url)
    make_cargo(root, url)
    make_go(root)
    os.chdir(root)
    server = http.server.ThreadingHTTPServer((address, int(port)), Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(f"{directory}/server.crt", f"{directory}/server.key")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    write(f"{directory}/ready", "")
    server.serve_forever()


main()
