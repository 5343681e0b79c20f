#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_case.sh FILE COMPILER [FLAG…]: a FILE with a line "// expect: WORDS" must not compile, with one error
# line, that has WORDS in it; any other FILE must compile.
set -euo pipefail
file=$1
shift
words=$(sed -n 's|^// expect: ||p' "$file")

status=0
output=$(LC_ALL=C "$@" -fsyntax-only "$file" 2>&1) || status=$?
errors=$(grep -F 'error:' <<<"$output" || true)

fail() {
  printf '%s: %s\n\n%s\n' "$file" "$1" "$output"
  exit 1
}

if [[ -z $words ]]; then
  [[ $status == 0 ]] || fail "does not compile"
  exit 0
fi
[[ $status != 0 ]] || fail "compiles, but was to be refused with '$words'"
[[ $(grep -c . <<<"$errors") == 1 ]] || fail "more than one error line, or none:"$'\n'"$errors"
grep -qF -- "$words" <<<"$errors" || fail "the error lacks the words '$words'"
