#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run_elsewhere.sh YONDER PROGRAM MODEL — on a "machine" that has neither the program nor the model: a mount namespace, by an
# sshd that is started for each connection. Both are carried there.
set -euo pipefail
yonder=$1 program=$2 model=$3 sshd=/usr/sbin/sshd
if [ ! -x "$sshd" ]; then
  echo "skipped: there is no $sshd (Debian: openssh-server)" >&2
  exit 77
fi
if [ "$(id -u)" -ne 0 ] || ! unshare --mount true 2>/dev/null; then
  echo "skipped: only root can make a machine of its own here" >&2
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
mkdir -p /run/sshd "$folder/home" # the first is what a root's sshd wants
cp -r "$model" "$folder/model"

# There: no program, no libzmq, no model.
cat >"$folder/enter" <<END
#!/bin/sh
set -e
mount --bind /dev/null '$program'
for file in /usr/lib/*/libzmq.so.5; do mount --bind /dev/null "\$file"; done
mount -t tmpfs none "$folder/model"
exec "\$@"
END
chmod 0700 "$folder/enter"

# A key of the machine and one of its user, who know each other.
ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
ssh-keygen -q -t ed25519 -N '' -f "$folder/user"
echo "far $(cat "$folder/host.pub")" >"$folder/known"
cat >"$folder/sshd_config" <<END
HostKey $folder/host
AuthorizedKeysFile $folder/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv XDG_CACHE_HOME=$folder/home
END
cat >"$folder/ssh_config" <<END
Host far
  HostKeyAlias far
  User $(id -un)
  IdentityFile $folder/user
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known
  ProxyCommand unshare --mount $folder/enter $sshd -i -f $folder/sshd_config
END

cat >"$folder/launch.toml" <<END
[pools.default]
launcher = "ssh"
hosts = [{ name = "far", slots = 2 }]
options = ["-F", "$folder/ssh_config"]
carry = true
files = ["$folder/model"]
END

"$yonder" keygen "$folder/keys" >&2
YONDER_KEYS=$folder/keys YONDER_LAUNCH=$folder/launch.toml "$program" --model "$folder/model" --bind 'tcp://127.0.0.1:*'
