#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh YONDER PROGRAM — what one does on two machines, on one.
set -euo pipefail
yonder=$1 program=$2
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT

# On the hub's machine: keys, once; then the hub. It prints the addresses it can be reached at.
"$yonder" keygen "$folder/keys"
mkfifo "$folder/hub"
"$yonder" hub --bind "tcp://127.0.0.1:*" --keys "$folder/keys" >"$folder/hub" &
read -r address <"$folder/hub"

# On the machine that does the work: a copy of client.key, client.pub and server.pub, and a worker.
export YONDER_KEYS=$folder/keys
"$program" --yonder-worker "$address" &

# On your machine: the same keys, and where the hub is.
YONDER_HUB=$address "$program"
