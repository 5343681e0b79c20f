#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_symbols.sh FOLDER: nothing is exported by the shared libraries of FOLDER but Yonder's own symbols.
set -euo pipefail

folder=$1 count=0
for library in "$folder"/libyonder_*.so; do
  exported=$(nm -D --defined-only --extern-only -C "$library")
  [ -n "$exported" ]
  count=$((count + 1))
  if foreign=$(awk '{ $1 = ""; print }' <<<"$exported" |
    grep -vE '^ [A-Zu] ((non-virtual thunk to|virtual thunk to|typeinfo for|typeinfo name for|vtable for|guard variable for|VTT for) )?([a-z_:<> *&]+ )?yonder::'); then
    printf '%s exports what is not its own:\n%s\n' "$library" "$foreign"
    exit 1
  fi
done
[ "$count" -ge 3 ] || { echo "only $count libraries in $folder"; exit 1; }
