#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The recipe for Ray of docs/launch_command.md, word by word, against Ray itself (PyPI: ray[default]): a cluster of one
# node on this machine, whose jobs are the workers. $RAY: where its commands are, if they are not in PATH.
# Usage: ray_test.sh YONDER LAUNCHING_HUB GUIDE FOLDER. Exit status 77: skipped.
set -euo pipefail
yonder=$1 hub=$2 guide=$3 folder=$4
PATH=${RAY:+$RAY:}$PATH
if ! command -v ray >/dev/null || ! python3 -c 'import ray.job_submission' 2>/dev/null; then
  echo 'skipped: Ray (pip install "ray[default]")'
  exit 77
fi
rm -rf "$folder"
mkdir -p "$folder"

fail() {
  echo "ray_test: $*" >&2
  cat "$folder/said" >&2 || true
  exit 1
}
free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# Its sockets have long names, and Unix sockets short ones.
temporary=$(mktemp -d /tmp/ray.XXXXXX)
gcs=$(free_port) dashboard=$(free_port)
stop() {
  # What this cluster has started, and nothing of another one: all of it has its folder in its command line.
  local process
  for process in /proc/[0-9]*; do
    if { tr '\0' ' ' <"$process/cmdline" | grep -F "$temporary" >/dev/null; } 2>/dev/null; then kill -KILL "${process#/proc/}" 2>/dev/null || true; fi
  done
  rm -rf "$temporary"
}
trap stop EXIT
export RAY_USAGE_STATS_ENABLED=0 RAY_ADDRESS="127.0.0.1:$gcs" RAY_API_SERVER_ADDRESS="http://127.0.0.1:$dashboard"
# Newer ones ask whoever comes for it.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN
RAY_AUTH_TOKEN=$(python3 -c 'import secrets; print(secrets.token_hex(32))')
env -u RAY_ADDRESS ray start --head --port="$gcs" --dashboard-host=127.0.0.1 --dashboard-port="$dashboard" --num-cpus=2 \
  --object-store-memory=100000000 --temp-dir="$temporary" --disable-usage-stats >"$folder/ray" 2>&1 || {
  echo "skipped: Ray does not start here: $(tail -n 1 "$folder/ray")" # it gives itself 30 s
  exit 77
}

# Who starts its jobs comes up later than it says.
SECONDS=0
until ray job submit -- true >"$folder/ray" 2>&1; do
  [ $SECONDS -lt 180 ] || {
    echo "skipped: Ray takes no jobs here: $(tail -n 1 "$folder/ray")"
    exit 77
  }
  sleep 1
done

"$yonder" keygen "$folder/keys" >/dev/null
{
  printf '[pools.default]\nlauncher = "command"\nmax = 2\n'
  # The indented lines below the heading.
  sed -n '/^## Ray$/,/^## /s/^    //p' "$guide"
} >"$folder/launch.toml"
grep -q '^start = ' "$folder/launch.toml" || fail "the guide has no recipe for Ray"

jobs_left() {
  python3 -c 'from ray.job_submission import JobSubmissionClient
print(sum(not job.status.is_terminal() for job in JobSubmissionClient().list_jobs()))'
}
YONDER_KEYS=$folder/keys YONDER_LAUNCH=$folder/launch.toml timeout 240 "$hub" once >"$folder/said" 2>&1 || fail "the hub ended with $?"
if grep -q '^failed: ' "$folder/said" || ! grep -q '^ran in ' "$folder/said"; then fail "no call was answered"; fi
grep -q '^over$' "$folder/said" || fail "a worker was left"
[ "$(jobs_left)" = 0 ] || fail "$(jobs_left) jobs are left"
echo "a worker was a job of $(ray --version)"
