#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Usage: run.sh YONDER PROGRAM — a call whose caller has ended, and whose hub is killed.
set -euo pipefail
yonder=$1 program=$2
# shellcheck source=examples/journaled_hub.sh
source "$(dirname "${BASH_SOURCE[0]}")/../journaled_hub.sh"

id=$(YONDER_HUB=$address "$program") # nobody is there yet who could run it
restart_hub "$yonder"
"$yonder" calls --hub "$address" | sed 's/  */ /g' | cut -d ' ' -f 2-4

"$program" --yonder-worker "$address" &
YONDER_HUB=$address "$program" "$id"
