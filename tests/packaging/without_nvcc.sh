#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# without_nvcc.sh SOURCE BUILD [OPTION…]: where CUDA is asked for and no nvcc is, the configuration says what to do. This machine's nvcc is hidden; exit
# status 77 where it lies among the system's own programs.
set -euo pipefail
source=$1 build=$2
shift 2
hidden=/usr/local/bin # searched by CMake in any case
while read -r program; do hidden+=";$(dirname "$program")"; done < <(type -ap nvcc)
if [ -e /usr/bin/nvcc ] || [ -e /bin/nvcc ]; then
  echo "skipped: nvcc is among the system's own programs"
  exit 77
fi
unset CUDACXX
rm -rf "$build"
mkdir -p "$build"
cmake -S "$source" -B "$build/built" -G Ninja "$@" -DYONDER_WITH_CUDA=ON "-DCMAKE_IGNORE_PATH=$hidden" >"$build/said" 2>&1 || true
said=$(tr -s ' \n' ' ' <"$build/said")
grep -qF "YONDER_WITH_CUDA is ON, and no nvcc was found: put nvcc 12.5 or later on PATH" <<<"$said" || {
  cat "$build/said"
  exit 1
}
