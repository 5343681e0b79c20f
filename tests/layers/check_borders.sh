#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_borders.sh ARCHIVE…: no library uses what another one of them hides: built shared, it would not link. What is used
# across a border is marked with YONDER_API. Prints each function that is not, and exits with 1 if there is one.
# check_borders.sh --self-check COMPILER: plants such a use, and sees it found.
set -euo pipefail

check() {
  local archive
  for archive in "$@"; do
    readelf -sW "$archive" | awk -v archive="$(basename "$archive")" \
      '$5 == "GLOBAL" || $5 == "WEAK" { print archive, $6, $7, $8 }'
  done | LC_ALL=C awk '
    { seen[NR] = $0 }
    $3 != "UND" && $2 == "HIDDEN" { hidden[$4] = $1 }
    $3 != "UND" { has[$1, $4] = 1 }
    END {
      for (i = 1; i <= NR; ++i) {
        split(seen[i], field, " ")
        if (field[3] != "UND" || !(field[4] in hidden) || (field[1], field[4]) in has) continue
        if (told[field[1], field[4]]++) continue
        printf "%s uses %s, which %s hides: YONDER_API is missing\n", field[1], field[4], hidden[field[4]]
        wrong = 1
      }
      if (NR == 0) { print "no symbols were found"; wrong = 1 }
      exit wrong
    }' | c++filt
}

if [ "${1:-}" = --self-check ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  cd "$folder"
  compile() { "$1" -x c++ -fvisibility=hidden -c -o "$2.o" - && ar qc "$2.a" "$2.o"; }
  compile "$2" has <<<'int hidden() { return 1; } __attribute__((visibility("default"))) int open() { return 2; }'
  compile "$2" good <<<'int open(); int good() { return open(); }'
  compile "$2" bad <<<'int hidden(); int bad() { return hidden(); }'
  check has.a good.a
  if found=$(check has.a good.a bad.a); then echo "a hidden function that another library uses is not found"; exit 1; fi
  [ "$found" = "bad.a uses hidden(), which has.a hides: YONDER_API is missing" ] || { echo "wrong: $found"; exit 1; }
  exit 0
fi
check "$@"
