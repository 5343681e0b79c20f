#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh YONDER PROGRAM — with a "machine" of its own: this one, by an sshd that is started for each connection.
set -euo pipefail
yonder=$1 program=$2 sshd=/usr/sbin/sshd
if [ ! -x "$sshd" ]; then
  echo "skipped: there is no $sshd (Debian: openssh-server)" >&2
  exit 77
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
[ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd # what a root's sshd wants

# A key of the machine and one of its user, who know each other.
ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
ssh-keygen -q -t ed25519 -N '' -f "$folder/user"
echo "near $(cat "$folder/host.pub")" >"$folder/known"
cat >"$folder/sshd_config" <<END
HostKey $folder/host
AuthorizedKeysFile $folder/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
END
cat >"$folder/ssh_config" <<END
Host near
  HostKeyAlias near
  User $(id -un)
  IdentityFile $folder/user
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known
  ProxyCommand $sshd -i -f $folder/sshd_config
END

cat >"$folder/launch.toml" <<END
[pools.default]
launcher = "ssh"
hosts = [{ name = "near", slots = 2 }]
options = ["-F", "$folder/ssh_config"]
END

# The hub's keys. Its workers get theirs from it.
"$yonder" keygen "$folder/keys" >&2
YONDER_KEYS=$folder/keys YONDER_LAUNCH=$folder/launch.toml "$program"
