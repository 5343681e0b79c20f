#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run.sh PROGRAM: serves the program's tasks at a port that the system chooses, and calls one as anybody would.
set -euo pipefail
# shellcheck source=examples/serve.sh
source "${BASH_SOURCE[0]%/*}/../serve.sh"

curl -sS "$address/v1/tasks/count_words" -H "Authorization: Bearer $key" -H 'Content-Type: application/json' \
  -d '{"text": "to be or not to be", "at_most": 2}'
echo
