#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# compare.sh SOURCE COMPILER [FLAG…]: compiles SOURCE at -O2; the machine code of each function local::X must be
# that of plain::X.
set -euo pipefail
export LC_ALL=C
source=$1
shift
command -v objdump >/dev/null || { echo "objdump is not there: nothing is compared"; exit 77; }

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# In sections of their own all functions begin at address 0, so that equal jumps read alike.
"$@" -O2 -ffunction-sections -c "$source" -o "$folder/object.o"
objdump --disassemble --reloc --no-show-raw-insn "$folder/object.o" >"$folder/all"

# The instructions and relocations of every part of a function (GCC puts cold code apart), without the names
# that objdump gives to addresses. The two namespaces' names are equally long.
code_of() {
  awk -v name="$1" '/^[0-9a-f]+ </ { inside = index($2, "<_ZN5" name) == 1; next } /^Disassembly/ { inside = 0 } inside' \
    "$folder/all" | sed -E '/^$/d; s/ <[^>]*>$//; s/_ZN5(plain|local)/_ZN5_/; s/LCPI[0-9]+_/LCPI_/'
}

status=0 shapes=0
while read -r shape; do
  code_of "plain$shape" >"$folder/plain"
  code_of "local$shape" >"$folder/local"
  shapes=$((shapes + 1))
  [[ -s "$folder/plain" ]] || { echo "$shape: no code found"; status=1; }
  diff -u --label "plain $shape" --label "local $shape" "$folder/plain" "$folder/local" || status=1
done < <(sed -nE 's/^[0-9a-f]+ <_ZN5plain([0-9]+[a-z_]+E)[^.]*>:$/\1/p' "$folder/all")
echo "$shapes shapes compared"
[[ $shapes -gt 0 ]] || status=1
exit $status
