#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_links.sh ROOT: every relative link of the Markdown files under ROOT leads to a file, and every #anchor to
# a heading of it, and README.md is short. Prints each that does not.
set -euo pipefail

root=$1
broken=0

documents() { find "$root" -name '*.md' -not -path "$root/build/*" -not -path '*/.*' | sort; }

# A document without its code blocks.
# shellcheck disable=SC2016  # the backticks are Markdown
prose() { sed '/^ *```/,/^ *```/d' "$1"; }

# The targets of [text](target).
links() { prose "$1" | grep -oE '\]\([^) ]+\)' | sed -E 's/^\]\((.*)\)$/\1/' || true; }

# Headings as GitHub names them: lower case, punctuation dropped, spaces to hyphens.
anchors() {
  prose "$1" | sed -nE 's/^#+ +(.*)$/\1/p' | tr '[:upper:]' '[:lower:]' |
    sed -E 's/[^a-z0-9 _-]//g; s/ /-/g'
}

report() {
  printf '%s: %s: %s\n' "${1#"$root"/}" "$2" "$3"
  broken=$((broken + 1))
}

check_link() { # <document> <target>
  local document=$1 target=$2 file anchor=""
  case $target in
    http://* | https://* | mailto:*) return ;;
    *'#'*) anchor=${target#*#} ;;
  esac
  file=${target%%#*}
  if [ -z "$file" ]; then file=$document; else file=$(dirname "$document")/$file; fi
  if [ ! -e "$file" ]; then
    report "$document" "$target" "no such file"
  elif [ -n "$anchor" ] && ! anchors "$file" | grep -xF -- "$anchor" >/dev/null; then
    report "$document" "$target" "no such heading"
  fi
}

while IFS= read -r document; do
  while IFS= read -r target; do
    check_link "$document" "$target"
  done < <(links "$document")
done < <(documents)

lines=$(wc -l <"$root/README.md")
[ "$lines" -lt 110 ] || report "$root/README.md" "$lines lines" "a first look stays under 110; the rest belongs in docs/"

[ "$broken" -eq 0 ]
