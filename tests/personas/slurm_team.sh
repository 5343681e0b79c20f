#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A team with a SLURM cluster, that wants workers in allocations, as many as there is work for.
# shellcheck disable=SC1091,SC2154,SC2094
source "$(dirname "$0")/persona.sh"

# What stands: a hub with keys, and workers that somebody starts, as in `srun app --yonder-worker tcp://login:5555`.
types "yonder keygen keys"
types "yonder hub --help"
sees 'bind'
lacks "a launcher for SLURM: workers are started by hand, with srun" "an allocation's remaining time: a call may outlast it, and is then worker_lost"
