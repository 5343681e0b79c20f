#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh YONDER PROGRAM — with a "machine" of its own: this one, by an sshd that is started for each connection.
set -euo pipefail
yonder=$1 program=$2
# shellcheck source=examples/sshd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sshd.sh"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
make_host "$folder" near

cat >"$folder/launch.toml" <<TOML
[pools.default]
launcher = "ssh"
hosts = [{ name = "near", slots = 2 }]
options = ["-F", "$folder/ssh_config"]
TOML

# The hub's keys. Its workers get theirs from it.
"$yonder" keygen "$folder/keys" >&2
YONDER_KEYS=$folder/keys YONDER_LAUNCH=$folder/launch.toml "$program"
