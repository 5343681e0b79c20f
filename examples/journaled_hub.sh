# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash disable=SC2034
# Sourced by run.sh YONDER PROGRAM of the examples whose hub has a journal: starts one at a port that the system chooses, with keys of its own,
# until the script ends. Sets `address` (tcp://…), `folder` (of the script, removed at its end) and YONDER_KEYS.
folder=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait 2>/dev/null || true; rm -rf "$folder"' EXIT

# start_hub <yonder> <address>
start_hub() {
  "$1" hub --bind "$2" --journal "$folder/journal" >"$folder/hub" &
  hub=$!
  read -r address <"$folder/hub"
}

# restart_hub <yonder>: killed, and again where it was
restart_hub() {
  kill -KILL "$hub"
  wait "$hub" 2>/dev/null || true
  start_hub "$1" "$address"
}

"$1" keygen "$folder/keys" >"$folder/said"
export YONDER_KEYS=$folder/keys
mkfifo "$folder/hub"
start_hub "$1" "tcp://127.0.0.1:*"
