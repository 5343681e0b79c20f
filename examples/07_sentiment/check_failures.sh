#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_failures.sh SENTIMENT: what the example says, and how it exits, when not every text can be classified.
set -euo pipefail
sentiment=$1
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

# expect STATUS WORDS [ARGUMENT…]
expect() {
  local wanted=$1 words=$2 status=0
  shift 2
  "$sentiment" --workers 1 "$@" >"$folder/output" 2>&1 || status=$?
  if [[ $status != "$wanted" ]] || ! grep -qF -- "$words" "$folder/output"; then
    printf 'sentiment %s: exit status %s instead of %s, or not "%s" in:\n' "$*" "$status" "$wanted" "$words"
    cat "$folder/output"
    exit 1
  fi
}

printf 'good\n' >"$folder/good"
printf 'good\n\377\n' >"$folder/not_utf8"
printf ' \n\n' >"$folder/blank"
printf '%055d\303\251\303\251 and more\n' 0 >"$folder/long"
mkdir "$folder/model"
printf '{}\n' >"$folder/model/config.json"

expect 1 "sentiment: $folder/model" --model "$folder/model" --file "$folder/good"
[[ $(wc -l <"$folder/output") == 1 ]] || { cat "$folder/output"; exit 1; }
expect 1 "sentiment: $folder/blank has no text" --file "$folder/blank"
expect 1 'agree on 1 of 2 texts' --file "$folder/not_utf8"
grep -qx 'demo: 1 failed, here and on workers' "$folder/output"
expect 0 "$(printf '%055d~ ' 0)" --file "$folder/long"
