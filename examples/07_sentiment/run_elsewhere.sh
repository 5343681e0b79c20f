#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run_elsewhere.sh YONDER PROGRAM MODEL — on a "machine" that has neither the program nor the model: a mount namespace, by an
# sshd that is started for each connection. Both are carried there.
set -euo pipefail
yonder=$1 program=$2 model=$3
# shellcheck source=examples/sshd.sh
. "$(dirname "${BASH_SOURCE[0]}")/../sshd.sh"
if [ "$(id -u)" -ne 0 ] || ! unshare --mount true 2>/dev/null; then
  echo "skipped: only root can make a machine of its own here" >&2
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
make_host "$folder" far unshare --mount "$folder/enter"
cp -r "$model" "$folder/model"

# There: no program, no libzmq, no model.
cat >"$folder/enter" <<ENTER
#!/bin/sh
set -e
mount --bind /dev/null '$program'
for file in /usr/lib/*/libzmq.so.5; do mount --bind /dev/null "\$file"; done
mount -t tmpfs none "$folder/model"
exec "\$@"
ENTER
chmod 0700 "$folder/enter"

cat >"$folder/launch.toml" <<TOML
[pools.default]
launcher = "ssh"
hosts = [{ name = "far", slots = 2 }]
options = ["-F", "$folder/ssh_config"]
carry = true
files = ["$folder/model"]
TOML

"$yonder" keygen "$folder/keys" >&2
YONDER_KEYS=$folder/keys YONDER_LAUNCH=$folder/launch.toml "$program" --model "$folder/model" --bind 'tcp://127.0.0.1:*'
