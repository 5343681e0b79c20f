#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh YONDER PROGRAM — a callback of a call whose caller has ended, and whose hub is killed.
set -euo pipefail
yonder=$1 program=$2
# shellcheck source=examples/journaled_hub.sh
source "$(dirname "${BASH_SOURCE[0]}")/../journaled_hub.sh"
mkfifo "$folder/announced"

YONDER_HUB=$address "$program" "$folder/announced" >"$folder/id" # nobody is there yet who could run it
restart_hub "$yonder"

"$program" --yonder-worker "$address" &
cat "$folder/announced"
