#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# cluster_test.sh FOLDER: what cluster.sh starts is a SLURM that runs jobs, loses a node, and is gone afterwards.
# Exit status 77: skipped.
set -euo pipefail
# shellcheck source=tests/e2e/slurm/cluster.sh
source "$(dirname "$0")/cluster.sh"

failures=0
check() { # NAME COMMAND...
  local name=$1
  shift
  "$@" && return
  printf 'FAILED: %s: %s\n' "$name" "$*"
  failures=$((failures + 1))
}

rm -rf "$1"
cluster_starts "$1"
# shellcheck disable=SC2016 # it is the job's
sbatch --parsable --wait --gres=gpu:2 --time=1 --output="$1/said" --wrap 'echo "$CUDA_VISIBLE_DEVICES"' >/dev/null
check 'a job has the GPUs that it asked for' grep -qx '0,1' "$1/said"
id=$(sbatch --parsable --no-requeue --nodelist=n1 --time=5 --output=/dev/null --wrap 'sleep 60')
waits_for "the job to run" job_is RUNNING "$id"
node_dies n1
waits_for 'the node to be seen as gone' nodes_are 1 down
waits_for 'its job to be over' queue_is_empty
waits_for 'the other node to go on' nodes_are 1 idle
[[ $failures == 0 ]] && echo 'a SLURM of two nodes runs jobs, and goes on with one'
exit "$failures"
