#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh YONDER PROGRAM — with a SLURM of its own on this machine; root can start one.
set -euo pipefail
folder=$(mktemp -d)
chmod 0755 "$folder"  # munged wants its socket in reach of everybody
# shellcheck source=tests/e2e/slurm/cluster.sh
source "$(dirname "$0")/../../tests/e2e/slurm/cluster.sh"
cluster_starts "$folder/cluster"
trap 'cluster_ends; rm -rf "$folder"' EXIT
"$1" keygen "$folder/keys" >/dev/null
YONDER_KEYS=$folder/keys "$2" 127.0.0.1
