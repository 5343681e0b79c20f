#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# task_size.sh [COMPILER]: what a task adds to a program, in bytes of text and data: a unit with 21 tasks against one with a single one, -O2. Each
# task has an argument type and a result type of its own, and is called by local() and remote().
set -euo pipefail

compiler=${1:-c++}
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

unit() { # <number of tasks> <remote|local>
  printf '#include <yonder/yonder.hpp>\n'
  for ((i = 0; i < $1; ++i)); do
    printf 'struct in%d { int number; std::string text; std::vector<float> values; };\nstruct out%d { std::string label; double score; };\n' "$i" "$i"
    printf 'out%d work%d(in%d const&);\ninline constexpr yonder::task<work%d> task%d;\n' "$i" "$i" "$i" "$i" "$i"
    printf 'out%d call%d(in%d const& a) { return task%d.%s(a); }\n' "$i" "$i" "$i" "$i" "$2"
  done
}

bytes() { # <number of tasks> <verb>
  unit "$1" "$2" >"$folder/unit.cpp"
  "$compiler" -std=c++20 -O2 -DYONDER_LINKS_CORE=1 -I"$root/include" -c "$folder/unit.cpp" -o "$folder/unit.o"
  size "$folder/unit.o" | awk 'NR == 2 { print $1 + $2 }'
}

for verb in local remote; do
  one=$(bytes 1 $verb)
  more=$(bytes 21 $verb)
  printf '%s(): %d bytes a task (%d for the first)\n' "$verb" $(((more - one) / 20)) "$one"
done
