#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fresh_machine.sh FOLDER: a stranger's first hour. Makes a minimal Debian 12 in FOLDER/root (debootstrap, as root,
# with this machine's apt sources), clones this repository's last commit into it and runs the two commands of
# the README there, in namespaces of their own: mounts and processes end with the script. FOLDER/*.log keep
# what was printed. A second run in the same FOLDER copies the pristine system instead of fetching it again.
set -euo pipefail

folder=$(realpath -m "${1:?usage: fresh_machine.sh FOLDER}")
repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
pristine=$folder/pristine
machine=$folder/root

# shellcheck disable=SC2016  # expanded by apt
mirror() { apt-get indextargets --format '$(RELEASE) $(REPO_URI)' | awk '$1 == "bookworm" { print $2; exit }'; }

# This machine's way to its mirror: sources, proxies, names, certificates.
copy_apt_settings() {
  rm -f "$pristine/etc/apt/sources.list"
  cp -rL /etc/apt/sources.list* "$pristine/etc/apt/"
  apt-config dump | grep '^Acquire::' >"$pristine/etc/apt/apt.conf.d/99host"
  mkdir -p "$pristine/etc/ssl"
  cp -rL /etc/ssl/certs "$pristine/etc/ssl/"
}

make_pristine() {
  [ ! -e "$pristine/.done" ] || return 0
  rm -rf --one-file-system "$pristine"
  debootstrap --variant=minbase bookworm "$pristine" "$(mirror)"
  copy_apt_settings
  touch "$pristine/.done"
}

make_machine() {
  rm -rf --one-file-system "$machine"
  cp -a "$pristine" "$machine"
  cp -L /etc/resolv.conf /etc/hosts "$machine/etc/"
  git clone -q --no-local "$repository" "$machine/root/yonder"
}

# Runs a command in the clone, alone in its namespaces.
in_machine() {
  # shellcheck disable=SC2016  # expanded by the inner shell
  unshare --mount --pid --fork --kill-child --mount-proc bash -euc '
    mount -t proc proc "$1/proc"
    mount --rbind /dev "$1/dev"
    mount -t tmpfs shm "$1/dev/shm"
    exec chroot "$1" /usr/bin/env -i HOME=/root PATH="$PATH" TERM="${TERM:-dumb}" bash -c "cd ~/yonder && $2"
  ' in_machine "$machine" "$1" </dev/null
}

step() { # <name> <command>
  local start=$SECONDS status=0
  in_machine "$2" 2>&1 | tee "$folder/$1.log" || status=$?
  printf '== %s: exit status %d after %d s\n' "$2" "$status" "$((SECONDS - start))" | tee -a "$folder/times.log"
  [ "$status" -eq 0 ] || failed=$((failed + 1))
}

failed=0
mkdir -p "$folder"
make_pristine
make_machine
step demo './dev demo'
step test './dev test'
exit "$failed"
