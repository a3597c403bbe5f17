#!/usr/bin/python3
"""Makes what package managers and git fetch from the pretend internet.

  make_packages.py DIRECTORY

simple/pretend-package/   an index of Python packages     debian/   a flat repository of Debian's
repository.git/           a git repository                npm/      a registry of one npm package
go/                       a proxy of one Go module        cargo/    a sparse index of one crate
"""

import base64
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import zipfile

CONTROL = """Package: pretend
Version: 1.0
Architecture: all
Maintainer: Nobody <nobody@example.org>
Description: what tests fetch
"""


def wheel(directory):
    os.makedirs(directory)
    info = "pretend_package-1.0.dist-info"
    with zipfile.ZipFile(f"{directory}/pretend_package-1.0-py3-none-any.whl", "w") as archive:
        archive.writestr("pretend_package.py", "VALUE = 'pretended'\n")
        archive.writestr(f"{info}/METADATA",
                         "Metadata-Version: 2.1\nName: pretend-package\nVersion: 1.0\n")
        archive.writestr(f"{info}/WHEEL",
                         "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")


def debian(directory):
    os.makedirs(f"{directory}/tree/DEBIAN")
    with open(f"{directory}/tree/DEBIAN/control", "w", encoding="utf-8") as file:
        file.write(CONTROL)
    name = "pretend_1.0_all.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", f"{directory}/tree",
                    f"{directory}/{name}"], check=True)
    with open(f"{directory}/{name}", "rb") as file:
        data = file.read()
    with open(f"{directory}/Packages", "w", encoding="utf-8") as file:
        file.write(f"{CONTROL}Filename: ./{name}\nSize: {len(data)}\n"
                   f"SHA256: {hashlib.sha256(data).hexdigest()}\n\n")


def repository(directory):
    work = f"{directory}.work"
    git = ["git", "-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    subprocess.run([*git, "init", "-q", "-b", "main", work], check=True)
    with open(f"{work}/README", "w", encoding="utf-8") as file:
        file.write("pretended\n")
    subprocess.run([*git, "-C", work, "add", "."], check=True)
    subprocess.run([*git, "-C", work, "commit", "-qm", "one"], check=True)
    subprocess.run([*git, "clone", "-q", "--bare", work, directory], check=True)
    subprocess.run([*git, "-C", directory, "update-server-info"], check=True)


def npm(directory):
    os.makedirs(directory)
    manifest = {"name": "pretend", "version": "1.0.0", "main": "index.js"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in (("package.json", json.dumps(manifest)),
                           ("index.js", "module.exports = 'pretended';\n")):
            entry = tarfile.TarInfo(f"package/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    data = buffer.getvalue()
    with open(f"{directory}/pretend-1.0.0.tgz", "wb") as file:
        file.write(data)
    manifest["dist"] = {
        "tarball": "https://web.allowed.test/files/npm/pretend-1.0.0.tgz",
        "integrity": "sha512-" + base64.b64encode(hashlib.sha512(data).digest()).decode(),
    }
    with open(f"{directory}/pretend", "w", encoding="utf-8") as file:
        json.dump({"name": "pretend", "dist-tags": {"latest": "1.0.0"},
                   "versions": {"1.0.0": manifest}}, file)


def go(directory):
    module = f"{directory}/pretend.example/pretend/@v"
    os.makedirs(module)
    for name, text in (("list", "v1.0.0\n"), ("v1.0.0.mod", "module pretend.example/pretend\n"),
                       ("v1.0.0.info", '{"Version": "v1.0.0", "Time": "2026-01-01T00:00:00Z"}')):
        with open(f"{module}/{name}", "w", encoding="utf-8") as file:
            file.write(text)
    with zipfile.ZipFile(f"{module}/v1.0.0.zip", "w") as archive:
        prefix = "pretend.example/pretend@v1.0.0"
        archive.writestr(f"{prefix}/go.mod", "module pretend.example/pretend\n")
        archive.writestr(f"{prefix}/main.go", "package main\n\nfunc main() { println(42) }\n")


def cargo(directory):
    os.makedirs(f"{directory}/pr/et")
    manifest = "[package]\nname = 'pretend'\nversion = '1.0.0'\nedition = '2021'\n"
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, text in (("Cargo.toml", manifest), ("src/lib.rs", "// Pretended.\n")):
            entry = tarfile.TarInfo(f"pretend-1.0.0/{name}")
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
    data = buffer.getvalue()
    with open(f"{directory}/pretend-1.0.0.crate", "wb") as file:
        file.write(data)
    with open(f"{directory}/config.json", "w", encoding="utf-8") as file:
        json.dump({"dl": "https://web.allowed.test/files/cargo/{crate}-{version}.crate"}, file)
    with open(f"{directory}/pr/et/pretend", "w", encoding="utf-8") as file:
        json.dump({"name": "pretend", "vers": "1.0.0", "deps": [], "features": {},
                   "cksum": hashlib.sha256(data).hexdigest(), "yanked": False}, file)


def main():
    root = sys.argv[1]
    wheel(f"{root}/simple/pretend-package")
    debian(f"{root}/debian")
    repository(f"{root}/repository.git")
    npm(f"{root}/npm")
    go(f"{root}/go")
    cargo(f"{root}/cargo")


main()
