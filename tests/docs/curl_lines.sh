#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# curl_lines.sh PROGRAM… -- DOCUMENT…: lines of the documents that call a task by curl, run as they stand against the program among
# these that has it. A task that no program has is one that a document only speaks of: it is named below.
set -euo pipefail
spoken_of=" index_pages "
programs=()
while [ "$1" != -- ]; do
  programs+=("$(realpath "$1")")
  shift
done
shift
lines=$(grep -hE '^curl ' "$@" | grep /v1/tasks/)
folder=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$folder"' EXIT

tried=" "
for program in "${programs[@]}"; do
  rm -f "$folder/address"
  mkfifo "$folder/address"
  "$program" --yonder-serve 127.0.0.1:0 --keys "$folder/keys" >"$folder/address" 2>/dev/null &
  server=$!
  read -r address <"$folder/address"
  key=$(awk '$3 == "admin" { print $1 }' "$folder/keys")
  export key KEY=$key
  while read -r line; do
    name=${line#*/v1/tasks/}
    name=${name%% *}
    [ "$(curl -sS -o /dev/null -w '%{http_code}' "$address/v1/tasks/$name" -H "Authorization: Bearer $key" -X POST)" != 404 ] || continue
    bash -c "curl() { command curl -sS --fail-with-body --max-time 20 \"\$@\"; }; ${line//127.0.0.1:8000/$address}" || { echo "failed: $line"; exit 1; }
    echo
    tried+="$name "
  done <<<"$lines"
  kill "$server"
  wait "$server" || true
  server=""
done
while read -r line; do
  name=${line#*/v1/tasks/}
  name=${name%% *}
  [[ "$tried$spoken_of" == *" $name "* ]] || { echo "no program has the task of: $line"; exit 1; }
done <<<"$lines"
