#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# registry.sh URL COMMIT FOLDER: makes or extends the git repository FOLDER, a vcpkg registry whose port `yonder` is built from
# COMMIT (a full hash) of the git repository URL. Push FOLDER to where your users can reach it; docs/packaging.md says what they write.
# A version that the registry has gets its next port-version. Prints the baseline: the registry's last commit.
set -euo pipefail

url=$1 commit=$2 folder=$3
ports=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)/ports
[[ $commit =~ ^[0-9a-f]{40}$ ]] || {
  echo "registry.sh: COMMIT is a full hash of 40 digits, not '$commit'; git rev-parse HEAD prints one" >&2
  exit 2
}

mkdir -p "$folder"
cd "$folder"
[ -d .git ] || git init -q -b main
git config user.name >/dev/null || git config user.name "yonder registry"
git config user.email >/dev/null || git config user.email "yonder@localhost"
mkdir -p ports versions/y-
rm -rf ports/yonder
cp -r "$ports/yonder" ports/
# shellcheck disable=SC2001  # a class of characters, and what was found
sed -i -e "s|@YONDER_URL@|$(sed 's/[&|\\]/\\&/g' <<<"$url")|" -e "s|@YONDER_COMMIT@|$commit|" ports/yonder/portfile.cmake

# The database says which tree of this repository holds each version's port; the tree is named once it is committed.
add_version() {
  python3 - <<'END'
import json, pathlib, subprocess, sys

def read(path, otherwise):
    return json.loads(path.read_text()) if path.exists() else otherwise

def write(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")

port, database = pathlib.Path("ports/yonder/vcpkg.json"), pathlib.Path("versions/y-/yonder.json")
manifest, known = json.loads(port.read_text()), read(database, {"versions": []})["versions"]
version = manifest["version"]
number = len([entry for entry in known if entry["version"] == version])
if number:
    manifest["port-version"] = number
    write(port, manifest)
subprocess.run(["git", "add", "ports"], check=True)
subprocess.run(["git", "commit", "-q", "--allow-empty", "-m", f"yonder {version}#{number}"], check=True)
tree = subprocess.run(["git", "rev-parse", "HEAD:ports/yonder"], check=True, capture_output=True, text=True).stdout.strip()
if tree not in [entry["git-tree"] for entry in known]:
    known.insert(0, {"git-tree": tree, "version": version, "port-version": number})
write(database, {"versions": known})
write(pathlib.Path("versions/baseline.json"), {"default": {"yonder": {
    "baseline": known[0]["version"], "port-version": known[0]["port-version"]}}})
END
}
add_version
git add versions
git commit -q --allow-empty -m "versions"
git rev-parse HEAD
