#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_output.sh EXPECTED COMMAND…: COMMAND must exit with 0 and print what matches the extended regular
# expression EXPECTED on stdout; what it says on stderr is its own business, and a sanitizer's. 77, by which it
# says that it cannot run here, is passed on.
set -euo pipefail
expected=$1
shift

status=0
output=$("$@") || status=$?
printf '%s\n' "$output"
[[ $status == 77 ]] && exit 77
if [[ $status != 0 ]]; then
  echo "the exit status is $status"
  exit 1
fi
if [[ ! $output =~ $expected ]]; then
  printf 'the output does not match:\n%s\n' "$expected"
  exit 1
fi
