#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# rights_test.sh PROGRAM: what only root can set up for a program (tests/e2e/programs/starts.cpp): more rights
# than whoever starts it, and a system without /proc or /dev. Exit status 77: skipped.
set -euo pipefail

if [[ $(id -u) -ne 0 ]]; then
  echo "skipped: only root can set capabilities and unmount /proc"
  exit 77
fi
for tool in setcap setpriv unshare prlimit; do
  if ! command -v "$tool" >/dev/null; then
    echo "skipped: there is no $tool"
    exit 77
  fi
done
if [[ ${YONDER_TEST_INSIDE-} != 1 ]]; then
  # Not in a chroot whose root is no mount point: what is mounted there could be seen outside.
  if ! why=$(unshare --mount --propagation private true 2>&1); then
    echo "skipped: no mounts of its own here: $why"
    exit 77
  fi
  YONDER_TEST_INSIDE=1 exec unshare --mount --propagation private --pid --fork --kill-child --mount-proc "$0" "$@"
fi

# Gone with this namespace of mounts.
place=/mnt
mount -t tmpfs -o mode=0755 none "$place"
cp "$1" "$place/program"
failures=0

# check NAME OUTPUT WANTED...: each is to be found in what was said.
check() {
  local name=$1 said=$2 wanted
  shift 2
  for wanted in "$@"; do
    [[ $said == *"$wanted"* ]] && continue
    printf 'FAILED: %s: not found: %s\nin: %s\n' "$name" "$wanted" "$said"
    failures=$((failures + 1))
  done
  if [[ $(grep -c 'main runs' <<<"$said") != 1 ]]; then
    printf 'FAILED: %s: main did not run once: %s\n' "$name" "$said"
    failures=$((failures + 1))
  fi
}

# Bounded: what is looked for here is a program that starts itself without end.
as_nobody() {
  setpriv --reuid=65534 --regid=65534 --clear-groups prlimit --nproc=60 timeout -s KILL 30 "$@" 2>&1 || true
}

more='this program has more rights than whoever started it'
setcap cap_net_bind_service+ep "$place/program"
check 'file capabilities' "$(as_nobody "$place/program")" worker_start_failed "$more" worker_command
setcap -r "$place/program"
chmod u+s "$place/program"
check 'set-user-id' "$(as_nobody "$place/program")" worker_start_failed "$more" in_process
check 'a command of more rights' "$(as_nobody env YONDER_TEST_COMMAND=/bin/sh "$place/program")" \
  'yonder worker: bad_configuration: ' "$more" 'exited with status 2'
check 'root itself' "$("$place/program" 2>&1)" 42
said=$(as_nobody "$place/program" --yonder-worker tcp://127.0.0.1:9)
[[ $said == *"$more"* ]] || { echo "FAILED: the flag with more rights: $said"; failures=$((failures + 1)); }
chmod u-s "$place/program"

loader=$(ldd "$place/program" | grep -o '/[^ ]*/ld-[^ ]*' | sed -n 1p)
while umount -l /proc 2>/dev/null; do :; done  # ours, and the one below it
cd "$place"
check 'without /proc' "$(./program 2>&1)" 42
check 'by the loader, without /proc' "$("$loader" ./program 2>&1)" 'does not find its own file: /proc is missing'
mount -t tmpfs none /dev
check 'without /dev' "$(./program 2>&1)" 42
check 'without /dev and standard descriptors' "$(./program <&- 2>&-)" 42

[[ $failures == 0 ]] && echo 'a program of more rights starts no copy of itself, and one without /proc or /dev finds itself'
exit "$failures"
