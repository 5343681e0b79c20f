#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM: serves the program's tasks at a port that the system chooses, and calls one as anybody would.
set -euo pipefail
folder=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$folder"' EXIT

mkfifo "$folder/address"
"$1" --yonder-serve 127.0.0.1:0 --keys "$folder/keys" >"$folder/address" 2>"$folder/said" &
server=$!
read -r address <"$folder/address"
key=$(awk '$3 == "admin" { print $1 }' "$folder/keys")

curl -sS "$address/v1/tasks/count_words" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
  -d '{"text": "to be or not to be", "at_most": 2}'
echo
