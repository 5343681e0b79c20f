#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh YONDER PROGRAM — a callback of a call whose caller has ended, and whose hub is killed.
set -euo pipefail
yonder=$1 program=$2
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT

"$yonder" keygen "$folder/keys" >"$folder/said"
export YONDER_KEYS=$folder/keys
mkfifo "$folder/hub" "$folder/announced"
"$yonder" hub --bind "tcp://127.0.0.1:*" --journal "$folder/journal" >"$folder/hub" &
hub=$!
read -r address <"$folder/hub"

YONDER_HUB=$address "$program" "$folder/announced" >"$folder/id" # nobody is there yet who could run it

kill -KILL "$hub"
wait "$hub" 2>/dev/null || true
"$yonder" hub --bind "$address" --journal "$folder/journal" >"$folder/hub" &
read -r address <"$folder/hub"

"$program" --yonder-worker "$address" &
cat "$folder/announced"
