#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# launch_test.sh YONDER PROGRAM FOLDER quick|carry|full: a hub whose workers are jobs of a real SLURM (cluster.sh), by
# tests/e2e/programs/slurm_hub.cpp. Exit status 77: skipped.
# shellcheck disable=SC2317 # functions are called by check and waits_for
set -euo pipefail
# shellcheck source=tests/e2e/slurm/cluster.sh
source "$(dirname "$0")/cluster.sh"
yonder=$1 program=$2 folder=$3 tier=$4
failures=0

check() { # NAME COMMAND...
  local name=$1
  shift
  "$@" && return
  printf 'FAILED: %s: %s\n' "$name" "$*"
  sed 's/^/  /' "$folder/said"
  failures=$((failures + 1))
}

# plan LINE...: of the pool's table. What workers print goes to $output.
plan() {
  printf '[pools.default]\nlauncher = "slurm"\ninterval = "1s"\nscale_delay = "100ms"\noutput = "%s"\n' "${output:-$folder/job.%j}" >"$folder/launch.toml"
  printf '%s\n' "$@" >>"$folder/launch.toml"
}
# hub CALLS MILLISECONDS [idempotent]
hub() {
  rm -f "$folder/ran"
  touch "$folder/ran"
  YONDER_KEYS=$folder/keys YONDER_LAUNCH=$folder/launch.toml timeout 400 "$program" "$1" "$2" "$folder/ran" "${@:3}" >"$folder/said" 2>&1
}
pool_waits() { "$yonder" ps --hub "ipc://$folder/door/hub" 2>/dev/null | grep -e "$1" >/dev/null; }
says() { grep -q -e "$1" "$folder/said"; }
distinct() { [[ $(cut -d' ' -f"$1" "$folder/ran" | sort -u | wc -l) -ge $2 ]]; } # FIELD COUNT
ran() { [[ $(wc -l <"$folder/ran") -ge $1 ]]; }
none_twice() { [[ -z $(cut -d' ' -f1 "$folder/ran" | sort | uniq -d) ]]; }
rm -rf "$folder"
mkdir -p "$folder"
mkdir -m 0700 "$folder/door"
if [[ $tier == carry ]]; then
  # Each node has a folder of its own, and neither the program nor libzmq.
  cat >"$folder/enter" <<ENTER
#!/bin/sh
set -e
mount --bind /dev/null '$program'
for file in /usr/lib/*/libzmq.so.5; do mount --bind /dev/null "\$file"; done
mount --bind "$folder/cache.\$1" "$folder/cache"
shift
exec "\$@"
ENTER
  mkdir "$folder"/cache{,.n1,.n2}
  chmod 0755 "$folder/enter"
  unshare --mount true 2>/dev/null || { echo 'skipped: no mount namespaces can be made here' && exit 77; }
  node_entrance=(unshare --mount "$folder/enter")
fi
cluster_starts "$folder/cluster"
"$yonder" keygen "$folder/keys" >/dev/null
touch "$folder/said" "$folder/ran"

if [[ $tier == quick ]]; then
  plan 'gres = "gpu:2"' 'time = "10m"' 'max = 2'
  hub 1000 0
  check 'a pool of none at first answers 1,000 calls' says '^1000 answered$'
  check 'each once' none_twice
  check 'and is empty afterwards' says '^no worker left$'
  waits_for 'the queue to be empty' queue_is_empty

  plan 'gres = "gpu:2"' 'time = "10m"' 'max = 2' 'buffer = 2'
  hub 40 50
  check 'two workers are one job' distinct 3 2
  check 'each has a GPU of its own' bash -c "cut -d' ' -f3 '$folder/ran' | sort -u | diff - <(printf '0\n1\n')"
  check 'of one job' bash -c "[[ \$(cut -d' ' -f2 '$folder/ran' | sort -u | wc -l) == 1 ]]"
  waits_for 'the queue to be empty' queue_is_empty

  plan 'partition = "nowhere"' 'max = 1'
  hub 1 0
  check 'what SLURM refuses is told in its words' says 'invalid partition specified: nowhere'

  output=/dev/null plan 'worker = ["/no/such/program"]' 'max = 1'
  hub 1 0
  check 'what a program that is not there has its shell say is told' says '/no/such/program: not found'
  check 'and what was submitted' says '^\$ sbatch '

  # The node that is taken first lacks the program, say: it fails each start, and is idle again at once.
  cat >"$folder/fickle" <<FICKLE
#!/bin/sh
echo "\$SLURMD_NODENAME" >>"$folder/nodes"
[ "\$(head -n 1 "$folder/nodes")" != "\$SLURMD_NODENAME" ] || exit 127
exec '$program' "\$@"
FICKLE
  chmod 0755 "$folder/fickle"
  plan 'time = "10m"' 'max = 1' "worker = [\"$folder/fickle\"]"
  hub 1 0
  check 'a node on which starts fail does not take all of them' says '^1 answered$'
  check 'which is told' says 'on n[12] a start has failed, and for 60 s no job is submitted to it'
  waits_for 'the queue to be empty' queue_is_empty
  scontrol update NodeName=n2 State=DRAIN Reason=test
  plan 'time = "10m"' 'max = 1' 'worker = ["/no/such/program"]' 'extra = ["--exclude=n2"]'
  hub 1 0
  check 'where there is no other node, jobs go there again' says 'there is no other one'
  check 'and fail there, in words' says 'ended:.*\|FAILED'
  scontrol update NodeName=n2 State=RESUME
  waits_for 'the queue to be empty' queue_is_empty

  # shellcheck disable=SC2016 # it is the worker's
  plan 'time = "10m"' 'max = 1' 'environment = { CUDA_VISIBLE_DEVICES = "5" }' 'before = ["export SLURM_JOB_ID=x$SLURM_JOB_ID"]'
  hub 1 0
  check 'what is to be around a program is there' grep -q '^0 x[0-9]* 5 n[12]$' "$folder/ran"
  waits_for 'the queue to be empty' queue_is_empty

  plan 'time = "2h"' 'max = 1' # its partition gives an hour
  hub 1 0
  check 'a job that would wait for ever fails its call with the reason' says 'PENDING (PartitionTimeLimit): .time. is longer than its partition allows'
  waits_for 'the queue to be empty' queue_is_empty

  plan 'time = "10m"' 'max = 1' 'extra = ["--hold"]'
  YONDER_IPC=ipc://$folder/door/hub SQUEUE_PARTITION=none SCANCEL_INTERACTIVE=1 hub 1 0 &
  job=$!
  waits_for 'the pool to be said to wait' pool_waits 'is held, for which .extra. may have asked: scontrol release [0-9]*$'
  waits_for 'the call to be told of' says 'is held, for which .extra. may have asked: scontrol release [0-9]*$'
  scontrol release "$(sed -n 's/.*scontrol release \([0-9]*\)$/\1/p' "$folder/said" | sed -n 1p)"
  check 'one that is released runs' wait "$job"
  check 'and answers' says '^1 answered$'
  waits_for 'the queue to be empty' queue_is_empty
elif [[ $tier == carry ]]; then
  file=${program##*/}
  carried() { [[ $(find "$folder/cache.$1/programs" -name "$file" -size "$(stat -c %s "$program")c" | wc -l) == 1 ]]; } # NODE
  # Two jobs at once on each, as where the hub is in a job itself.
  for node in n1 n2; do
    plan 'carry = true' "cache = \"$folder/cache\"" 'max = 2' 'buffer = 2' "extra = [\"--nodelist=$node\"]"
    SLURM_JOB_ID=1 SLURM_NNODES=2 SLURM_NTASKS=8 SLURM_CPUS_PER_TASK=9 hub 40 0
    check "without the program $node answers all calls" says '^40 answered$'
    check 'each once' none_twice
    check "$node has it now" carried "$node"
    waits_for 'the queue to be empty' queue_is_empty
  done
  check 'with its library' bash -c "[[ \$(find '$folder'/cache.*/programs -name libzmq.so.5 | wc -l) == 2 ]]"

  find "$folder"/cache.*/files -type f -printf '%p %i\n' | sort >"$folder/before"
  plan 'carry = true' "cache = \"$folder/cache\"" 'max = 1'
  hub 40 0
  check 'one of them answers again' says '^40 answered$'
  check 'and nothing was sent' bash -c "find '$folder'/cache.*/files -type f -printf '%p %i\n' | sort | diff '$folder/before' -"
  waits_for 'the queue to be empty' queue_is_empty

  truncate --size=100000 "$(find "$folder/cache.n1/programs" -name "$file")"
  plan 'carry = true' "cache = \"$folder/cache\"" 'max = 1' 'extra = ["--nodelist=n1"]'
  hub 1 0
  check 'what is half there is brought again' says '^1 answered$'
  check 'whole' carried n1
  waits_for 'the queue to be empty' queue_is_empty
else
  # 200 s of work for two workers whose allocations last for a minute: what may start only once is lost nowhere.
  plan 'gres = "gpu:2"' 'time = "1m"' 'max = 2' 'buffer = 2'
  hub 200 1000
  check 'calls outlast their allocations' says '^200 answered$'
  check 'none runs twice' none_twice
  check 'over several allocations' distinct 2 2
  waits_for 'the queue to be empty' queue_is_empty

  # A node is lost in the middle, and another one is drained while it works.
  plan 'max = 4' 'time = "10m"' 'extra = ["--cpus-per-task=2"]'
  hub 60 1000 idempotent &
  job=$!
  waits_for 'work on both nodes' distinct 4 2
  waits_for 'some work' ran 8
  node_dies n1
  scontrol update NodeName=n2 State=DRAIN Reason=test
  waits_for 'some more work' ran 20
  scontrol update NodeName=n2 State=RESUME
  wait "$job" || true
  check 'a lost node and a drained one cost no call' says '^60 answered$'
  waits_for 'the queue to be empty' queue_is_empty
  node_starts n1
  waits_for 'two idle nodes' nodes_are 2 idle

  # Nobody is there to take the job, for a while.
  scheduler_stops
  hub 10 100 &
  job=$!
  waits_for 'a submission in vain' says 'tried again'
  scheduler_starts
  wait "$job" || true
  check 'a scheduler that was away costs no call' says '^10 answered$'
  waits_for 'the queue to be empty' queue_is_empty
fi
[[ $failures == 0 ]] && echo "SLURM: $tier: nothing is lost, nothing is left"
exit "$failures"
