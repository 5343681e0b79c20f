#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""sources.py SOURCE FOLDER CMAKE: configures what the recipe exports, and nothing else, with everything that it can build.

A file that the build reads and exports_sources does not have is missed only where its option is on, by whoever uses the package.
"""
import ast
import fnmatch
import pathlib
import shutil
import subprocess
import sys

source, folder, cmake = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]


def exported():
    for node in ast.walk(ast.parse((source / "conanfile.py").read_text())):
        names = [target.id for target in getattr(node, "targets", []) if isinstance(target, ast.Name)]
        if "exports_sources" in names:
            return ast.literal_eval(node.value)
    sys.exit("conanfile.py: it has no exports_sources")


patterns = exported()
taken = [pattern for pattern in patterns if not pattern.startswith("!")]
left = [pattern[1:] for pattern in patterns if pattern.startswith("!")]
shutil.rmtree(folder, ignore_errors=True)
for root in {pattern.split("/")[0] for pattern in taken}:
    top = source / root
    for file in [top] if top.is_file() else top.rglob("*"):
        name = file.relative_to(source).as_posix()
        matches = any(fnmatch.fnmatchcase(name, one) for one in taken) and not any(fnmatch.fnmatchcase(name, one) for one in left)
        if matches and file.is_file():
            (folder / "sources" / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, folder / "sources" / name)
options = ["-DYONDER_BUILD_TESTS=OFF", "-DYONDER_BUILD_EXAMPLES=OFF", "-DYONDER_INSTALL=ON", "-DYONDER_BUILD_TOOLS=ON"]
options += [f"-DYONDER_WITH_{part}=ON" for part in ("ZMQ", "ML", "ASIO", "HTTP", "SOCKETS", "LAUNCH")]
done = subprocess.run([cmake, "-S", folder / "sources", "-B", folder / "build", "-G", "Ninja", *options], capture_output=True, text=True)
if done.returncode != 0:
    sys.exit(done.stdout[-2000:] + done.stderr)
shutil.rmtree(folder)
