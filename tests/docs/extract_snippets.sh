#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# extract_snippets.sh DOCUMENT FOLDER: a code block that follows a line "<!-- compile: NAME -->" or
# "<!-- run: NAME -->" becomes FOLDER/NAME.cpp, word for word. Prints "compile NAME" or "run NAME" for each. One that follows
# "<!-- excerpt: FILE -->" stands in FILE (from the repository's root), line by line. Other C++ blocks are refused.
set -euo pipefail

document=$1
folder=$2
mkdir -p "$folder"

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

awk -v folder="$folder" -v root="$root" '
  function fail(words) { print FILENAME ":" FNR ": " words >"/dev/stderr"; status = 1; exit }
  match($0, /^<!-- (compile|run): [a-z0-9_]+ -->$/) { verb = $2; sub(/:$/, "", verb); name = $3; next }
  match($0, /^<!-- excerpt: [^ ]+ -->$/) { source = root "/" $3; next }
  /^```/ && lines_of { lines_of = ""; next }
  /^```/ && source { while ((getline line <source) > 0) known[source, line] = 1; lines_of = source; source = ""; next }
  lines_of { if (!((lines_of, $0) in known)) fail("this line is not in " lines_of); next }
  /^```cpp/ && !name { fail("a C++ block that nobody compiles: mark it (compile, run or excerpt)") }
  /^```/ && file { close(file); print verb, name; file = ""; name = ""; next }
  /^```/ && name { file = folder "/" name ".cpp"; printf "" >file; next }
  file { print >file; next }
  name && NF { fail("expected a code block of the snippet " name) }
  END { if (!status && name) { print FILENAME ": the snippet " name " does not end" >"/dev/stderr"; status = 1 }; exit status }
' "$document"
