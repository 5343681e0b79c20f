#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# extract_snippets.sh DOCUMENT FOLDER: a code block that follows a line "<!-- compile: NAME -->" or
# "<!-- run: NAME -->" becomes FOLDER/NAME.cpp, word for word. Prints "compile NAME" or "run NAME" for each.
set -euo pipefail

document=$1
folder=$2
mkdir -p "$folder"

awk -v folder="$folder" '
  function fail(words) { print FILENAME ":" FNR ": " words >"/dev/stderr"; status = 1; exit }
  match($0, /^<!-- (compile|run): [a-z0-9_]+ -->$/) { verb = $2; sub(/:$/, "", verb); name = $3; next }
  /^```/ && file { close(file); print verb, name; file = ""; name = ""; next }
  /^```/ && name { file = folder "/" name ".cpp"; printf "" >file; next }
  file { print >file; next }
  name && NF { fail("expected a code block of the snippet " name) }
  END { if (!status && name) { print FILENAME ": the snippet " name " does not end" >"/dev/stderr"; status = 1 }; exit status }
' "$document"
