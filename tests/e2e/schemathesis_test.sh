#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# schemathesis_test.sh PROGRAM: what schemathesis (PyPI) makes of the OpenAPI document is answered as the document says.
set -euo pipefail
schemathesis=${YONDER_SCHEMATHESIS:-schemathesis}
command -v "$schemathesis" >/dev/null || { echo "skipped: schemathesis is not installed (pip install schemathesis)"; exit 77; }
folder=$(mktemp -d)
server=""
trap '[ -z "$server" ] || kill "$server"; wait; rm -rf "$folder"' EXIT

program=$(realpath "$1")
cd "$folder"  # schemathesis leaves a cache where it runs

mkfifo "$folder/address"
"$program" --yonder-serve 127.0.0.1:0 --keys "$folder/keys" >"$folder/address" 2>/dev/null &
server=$!
read -r address <"$folder/address"
key=$(awk '$3 == "admin" { print $1 }' "$folder/keys")

# Of tasks that return whatever they are given. An unknown header is no wrong request, and a deadline of nothing no wrong answer.
run() {
  "$schemathesis" run "$address/openapi.json" --header "Authorization: Bearer $key" --header 'Yonder-Deadline: 30' --phases coverage,fuzzing --seed 1 --max-examples 20 \
    --request-timeout 20 --include-path-regex '/(echo|twice|reversed)(/|$)|calls|usage|workers|maps|pools|status|tasks$|healthz|readyz|embeddings|models|predict|schedules' "$@"
}
run --mode positive
run --mode negative --exclude-checks negative_data_rejection
