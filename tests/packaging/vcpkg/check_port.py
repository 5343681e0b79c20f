#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""check_port.py SOURCE: the port's manifest has the fields that vcpkg's schema asks for, and agrees with the library: its version, its
switches, a feature for each and none that turns another off."""

import json
import pathlib
import re
import sys

source = pathlib.Path(sys.argv[1])
port = source / "packaging/vcpkg/ports/yonder"
manifest = json.loads((port / "vcpkg.json").read_text())
portfile = (port / "portfile.cmake").read_text()
header = (source / "include/yonder/version.hpp").read_text()
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
FIELDS = {"name": str, "version": str, "description": str, "license": str, "supports": str, "dependencies": list,
          "default-features": list, "features": dict}


def fail(words):
    sys.exit(f"{port}/vcpkg.json: {words}")


def check_dependency(dependency):
    fields = {"name": dependency} if isinstance(dependency, str) else dependency
    unknown = set(fields) - {"name", "host", "features", "default-features", "platform", "version>="}
    if unknown or not NAME.fullmatch(fields.get("name", "")):
        fail(f"no dependency by the schema: {dependency}")


for field, kind in FIELDS.items():
    if not isinstance(manifest.get(field), kind):
        fail(f"'{field}' is missing or no {kind.__name__}")
if set(manifest) - set(FIELDS) - {"port-version", "homepage"}:
    fail(f"fields that the schema does not know: {set(manifest) - set(FIELDS)}")
for dependency in manifest["dependencies"]:
    check_dependency(dependency)
for name, feature in manifest["features"].items():
    if not NAME.fullmatch(name) or not isinstance(feature.get("description"), str):
        fail(f"feature '{name}' needs a name in lower case and a description")
    if set(feature) - {"description", "dependencies", "supports"}:
        fail(f"feature '{name}' has fields that the schema does not know")
    for dependency in feature.get("dependencies", []):
        check_dependency(dependency)
    for needed in feature.get("dependencies", []):
        if isinstance(needed, dict) and needed["name"] == "yonder" and needed.get("default-features") is not False:
            fail(f"feature '{name}' drags in the default features")

version = ".".join(re.search(rf"#define YONDER_VERSION_{part} (\d+)", header).group(1) for part in ("MAJOR", "MINOR", "PATCH"))
if manifest["version"] != version:
    fail(f"version {manifest['version']}, but include/yonder/version.hpp says {version}")

# Every optional part of the library is a feature, pinned on or off.
options = set(re.findall(r"(?:option|set)\((YONDER_WITH_[A-Z]+)", (source / "CMakeLists.txt").read_text())) | {"YONDER_BUILD_TOOLS"}
pinned = dict(re.findall(r"^    ([a-z]+) (YONDER_[A-Z_]+)\)?$", portfile, re.M))
if set(pinned) != set(manifest["features"]):
    fail(f"features {sorted(manifest['features'])}, but the portfile switches {sorted(pinned)}")
if set(pinned.values()) != options:
    fail(f"the library's options are {sorted(options)}, the portfile pins {sorted(pinned.values())}")
