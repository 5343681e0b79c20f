#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM: serves the program's page at a port that the system chooses, signs in as a browser does, and asks for what the page asks for.
set -euo pipefail
# shellcheck source=examples/serve.sh
source "${BASH_SOURCE[0]%/*}/../serve.sh"

curl -sS "$address/" | grep -o '<input[^>]*type="password"' | cut -c 1-6 | sed -n 1p
# What the page keeps of the sign-in, beside the cookie: it stands behind the address.
word=$(curl -sS -c "$folder/cookies" -o "$folder/nothing" -w '%{redirect_url}' --data-urlencode "key=$key" "$address/v1/session")
word=${word#*#}
curl -sS -b "$folder/cookies" "$address/" | grep -o "Try a task"
curl -sS -b "$folder/cookies" -H "Yonder-Page: $word" -H 'Content-Type: application/json' -d '{"fahrenheit": 212}' "$address/v1/tasks/celsius"
echo
