#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_symbols.sh FOLDER NAME…: nothing is exported by the shared libraries of FOLDER but Yonder's own symbols; libyonder_NAME.so are there.
set -euo pipefail

folder=$1
shift
for name in "$@"; do [ -e "$folder/libyonder_$name.so" ] || { echo "no libyonder_$name.so in $folder"; exit 1; }; done
for library in "$folder"/libyonder_*.so; do
  exported=$(nm -D --defined-only --extern-only -C "$library")
  [ -n "$exported" ]
  if foreign=$(awk '{ $1 = ""; print }' <<<"$exported" |
    grep -vE '^ [A-Zu] ((non-virtual thunk to|virtual thunk to|typeinfo for|typeinfo name for|vtable for|guard variable for|VTT for) )?([a-z_:<> *&]+ )?yonder::'); then
    printf '%s exports what is not its own:\n%s\n' "$library" "$foreign"
    exit 1
  fi
done
