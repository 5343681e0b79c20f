#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# launch_rows.sh ROW YONDER HUB FOLDER [full]: a fault of what starts workers elsewhere, with a SLURM and an sshd of its
# own, by tests/e2e/programs/slurm_hub.cpp. Prints what was seen, a line each: "WHAT|SEEN|WANTED", or a text alone.
# Exit status 77: skipped, in words.
# shellcheck disable=SC2317 # functions are called by their names
set -euo pipefail
here=$(dirname "$0")
# shellcheck source=tests/e2e/slurm/cluster.sh
source "$here/../e2e/slurm/cluster.sh"
row=$1 yonder=$2 program=$3 folder=$4 full=${5-}

plan() { # LINE...
  printf '[pools.default]\nlauncher = "slurm"\ninterval = "1s"\nscale_delay = "100ms"\noutput = "%s/job.%%j"\n' "$folder" >"$folder/launch.toml"
  printf '%s\n' "$@" >>"$folder/launch.toml"
}
hub() { # CALLS MILLISECONDS [idempotent]
  touch "$folder/ran"
  YONDER_KEYS=$folder/keys YONDER_LAUNCH=$folder/launch.toml timeout 500 "$program" "$1" "$2" "$folder/ran" "${@:3}" >"$folder/said" 2>&1
}
says() { grep -q -e "$1" "$folder/said"; }
ran() { [[ $(wc -l <"$folder/ran") -ge $1 ]]; }
distinct() { [[ $(cut -d' ' -f"$1" "$folder/ran" | sort -u | wc -l) -ge $2 ]]; } # FIELD COUNT
answered() { sed -n 's/ answered$//p' "$folder/said" | grep . || echo 0; }
twice() { cut -d' ' -f1 "$folder/ran" | sort | uniq -d | wc -l; }
told() { grep -c -e "$1" "$folder/said" || true; }
# Of what calls that failed were told, not of what the hub has said meanwhile.
failed_of() { awk '/^(log|failed): /{ of = /^failed/ } of' "$folder/said" | grep -c -e "$1" || true; }
is_left() { waits_for 'the queue to be empty' queue_is_empty && echo 'jobs left|0|0'; }

scheduler_away() {
  local seconds=${full:+60}
  seconds=${seconds:-8}
  plan 'max = 2' 'time = "10m"'
  scheduler_stops
  hub 20 50 &
  local job=$!
  waits_for 'a submission in vain' says 'tried again'
  sleep "$seconds" # that is the fault
  scheduler_starts
  wait "$job" || true
  echo "of 20 calls answered|$(answered)|20"
  echo "run twice|$(twice)|0"
  echo "times told|$(told '^log: a job could not be submitted, which is tried again')|1"
  is_left
}

submission_refused() {
  plan 'partition = "nowhere"' 'max = 1'
  hub 3 0 || true
  echo "of 3 calls told in SLURM's words|$(failed_of 'invalid partition specified: nowhere')|3"
  rm -f "$folder/ran"
  plan 'max = 1' 'time = "10m"'
  hub 3 0 || true
  echo "of 3 calls answered then|$(answered)|3"
  is_left
}

# As a preemption is announced: SIGTERM to all of the job, long before it is ended.
preemption() {
  plan 'max = 1' 'time = "10m"'
  hub 40 200 idempotent &
  local job=$! id
  for id in 1 2 3; do
    waits_for "some work" ran $((id * 5))
    squeue -h -t RUNNING -o %i | xargs -r -n 1 scancel --full --signal=TERM || true # one that is just over
  done
  wait "$job" || true
  echo "of 40 calls answered|$(answered)|40"
  distinct 2 2 && echo 'by more than one job|1|1' || echo 'by more than one job|0|1'
  is_left
}

node_loss() {
  plan 'max = 4' 'time = "10m"' 'extra = ["--cpus-per-task=2"]'
  hub 40 500 idempotent &
  local job=$!
  waits_for 'work on both nodes' distinct 4 2
  waits_for 'some work' ran 8
  node_dies n1
  wait "$job" || true
  echo "of 40 calls answered|$(answered)|40"
  is_left
}

# A host that is called "near": this machine, by an sshd that is started for each connection.
ssh_host() { # LINE... of its pool
  local each
  PATH=$PATH:/usr/sbin
  for each in ssh sshd ssh-keygen; do
    command -v "$each" >/dev/null || { echo "there is no $each (Debian: openssh-server)" && exit 77; }
  done
  for each in host user other; do ssh-keygen -q -t ed25519 -N '' -f "$folder/$each"; done
  if [[ $(id -u) -eq 0 ]]; then mkdir -p /run/sshd; fi
  printf 'HostKey %s\nAuthorizedKeysFile %s\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n' \
    "$folder/host" "$folder/user.pub" >"$folder/sshd_config"
  printf 'Host near\n  HostKeyAlias near\n  User %s\n  IdentityFile %s\n  IdentitiesOnly yes\n  UserKnownHostsFile %s\n  ProxyCommand %s -i -f %s\n' \
    "$(id -un)" "$folder/user" "$folder/known" "$(command -v sshd)" "$folder/sshd_config" >"$folder/ssh_config"
  printf '[pools.default]\nlauncher = "ssh"\noptions = ["-F", "%s"]\nhosts = ["near"]\n' "$folder/ssh_config" >"$folder/launch.toml"
  printf '%s\n' "$@" >>"$folder/launch.toml"
  printf 'near %s\n' "$(cat "$folder/host.pub")" >"$folder/known"
}

host_key() {
  ssh_host
  hub 1 0 || true
  echo "of 1 calls answered before|$(answered)|1"
  printf 'near %s\n' "$(cat "$folder/other.pub")" >"$folder/known" # the host has another key than it had
  hub 2 0 || true
  echo "of 2 calls told in ssh's words|$(failed_of 'REMOTE HOST IDENTIFICATION HAS CHANGED')|2"
  echo "run there|$(($(wc -l <"$folder/ran") - 1))|0"
}

# The first copy ends after a megabyte; later one that was whole loses its end.
half_copied() {
  local ssh whole
  ssh=$(command -v ssh) || { echo "there is no ssh (Debian: openssh-client)" && exit 77; }
  whole=$(stat -c %s "$program")
  ssh_host 'carry = true' "cache = \"$folder/cache\""
  mkdir "$folder/bin"
  cat >"$folder/bin/ssh" <<SSH
#!/bin/sh
case "\$*" in *incoming*) if mkdir '$folder/cut' 2>/dev/null; then head -c 1000000 | exec '$ssh' "\$@"; fi ;; esac
exec '$ssh' "\$@"
SSH
  chmod 0755 "$folder/bin/ssh"
  PATH=$folder/bin:$PATH hub 3 0 || true
  [[ -d $folder/cut ]] && echo 'copies cut short|1|1' || echo 'copies cut short|0|1'
  echo "of 3 calls answered|$(answered)|3"
  truncate --size=1000000 "$(find "$folder/cache/programs" -name "${program##*/}")"
  hub 3 0 || true
  echo "of 3 calls answered when it has lost its end|$(answered)|3"
  echo "copies left that are not whole|$(find "$folder/cache" \( -name "${program##*/}" -o -name 'incoming*' \) ! -size "${whole}c" | wc -l)|0"
}

# The disk where the program is to go has no room; later it has when that is looked at, and not when it comes.
far_disk() {
  unshare --mount true 2>/dev/null || { echo 'no mount namespaces can be made here' && exit 77; }
  ssh_host 'carry = true' "cache = \"$folder/cache\""
  mkdir "$folder/cache"
  cat >"$folder/enter" <<ENTER
#!/bin/sh
if [ -e '$folder/full' ] || { [ -e '$folder/looked' ] && mkdir '$folder/came'; } 2>/dev/null; then
  mount -t tmpfs -o size=1m none '$folder/cache' || exit
fi
[ -e '$folder/full' ] || mkdir '$folder/looked' 2>/dev/null
exec "\$@"
ENTER
  chmod 0755 "$folder/enter"
  sed -i "s|ProxyCommand |&unshare --mount $folder/enter |" "$folder/ssh_config"
  touch "$folder/full"
  hub 2 0 || true
  echo "of 2 calls told what there is no room for|$(failed_of '^room: needed ')|2"
  rm "$folder/full"
  hub 3 0 || true
  [[ -d $folder/came ]] && echo 'copies that found no room|1|1' || echo 'copies that found no room|0|1'
  echo "of 3 calls answered then|$(answered)|3"
  echo "copies left that are not whole|$(find "$folder/cache" -name 'incoming*' | wc -l)|0"
}

rm -rf "$folder"
mkdir -p "$folder"
touch "$folder/said" "$folder/ran"
"$yonder" keygen "$folder/keys" >/dev/null
if [[ $row != host_key && $row != half_copied && $row != far_disk ]]; then cluster_starts "$folder/cluster"; fi
"$row"
