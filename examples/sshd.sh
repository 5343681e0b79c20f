# SPDX-License-Identifier: Apache-2.0
# Sourced by examples that need a machine to reach by ssh: this one, by an sshd that is started for each connection.
# shellcheck shell=bash

sshd=/usr/sbin/sshd
if [ ! -x "$sshd" ]; then
  echo "skipped: there is no $sshd (Debian: openssh-server)" >&2
  exit 77
fi

# make_host FOLDER NAME [COMMAND…]: from then on `ssh -F FOLDER/ssh_config NAME` reaches it; its sshd is started by COMMAND, with
# FOLDER/home as the cache of what is carried to it.
make_host() {
  local folder=$1 name=$2
  shift 2
  [ "$(id -u)" -ne 0 ] || mkdir -p /run/sshd # what a root's sshd wants
  mkdir -p "$folder/home"

  # A key of the machine and one of its user, who know each other.
  ssh-keygen -q -t ed25519 -N '' -f "$folder/host"
  ssh-keygen -q -t ed25519 -N '' -f "$folder/user"
  echo "$name $(cat "$folder/host.pub")" >"$folder/known"
  cat >"$folder/sshd_config" <<CONFIG
HostKey $folder/host
AuthorizedKeysFile $folder/user.pub
StrictModes no
UsePAM no
PermitRootLogin yes
SetEnv XDG_CACHE_HOME=$folder/home
CONFIG
  cat >"$folder/ssh_config" <<CONFIG
Host $name
  HostKeyAlias $name
  User $(id -un)
  IdentityFile $folder/user
  IdentitiesOnly yes
  UserKnownHostsFile $folder/known
  ProxyCommand $* $sshd -i -f $folder/sshd_config
CONFIG
}
