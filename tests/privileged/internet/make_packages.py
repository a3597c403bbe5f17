#!/usr/bin/python3
"""Makes what package managers and git fetch from the pretend internet.

  make_packages.py DIRECTORY

simple/pretend-package/   an index of Python packages     debian/   a flat repository of Debian's
repository.git/           a git repository
"""

import hashlib
import os
import subprocess
import sys
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


def main():
    root = sys.argv[1]
    wheel(f"{root}/simple/pretend-package")
    debian(f"{root}/debian")
    repository(f"{root}/repository.git")


main()
