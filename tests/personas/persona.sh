# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# Sourced by the scripts beside it: each is one person's way from an empty folder to the result. `types` runs a command that the person types,
# `writes FILE` takes a file from stdin, `sees WORDS` looks at what the last command printed. What it took is told at the end.
set -euo pipefail

prefix=${1:?usage: SCRIPT PREFIX FOLDER: where Yonder is installed, and a folder to work in} folder=${2:?a folder to work in}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
export CMAKE_PREFIX_PATH=$prefix PATH=$prefix/bin:$PATH LD_LIBRARY_PATH=$prefix/lib CMAKE_GENERATOR=Ninja
commands=0 lines=0
rm -rf "$folder"
mkdir -p "$folder"
cd "$folder"

writes() { # <file>
  mkdir -p "$(dirname "$1")"
  cat >"$1"
  lines=$((lines + $(grep -c . "$1")))
}

types() { # <command line>: within five minutes
  commands=$((commands + 1))
  printf '$ %s\n' "$1"
  timeout 300 bash -c "$1" >last 2>&1 || {
    cat last
    echo "the command failed: $1"
    exit 1
  }
}

sees() { # <extended regular expression>
  grep -qE "$1" last || {
    cat last
    echo "expected to see: $1"
    exit 1
  }
}

# A document's block, as the person copies it: <document> <snippet>.
copied() { "$here/../docs/extract_snippets.sh" "$here/../../$1" "$folder/.copied" >/dev/null && cat "$folder/.copied/$2.cpp"; }

tells() { printf '%s: %d commands, %d lines written, %d s\n' "$(basename "$0" .sh)" "$commands" "$lines" "$SECONDS"; }

# What this person needs is not there.
lacks() {
  tells
  printf 'not yet: %s\n' "$@"
  exit 77
}
