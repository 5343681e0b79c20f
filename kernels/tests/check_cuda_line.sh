#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_cuda_line.sh KERNELS-FOLDER BUILD-FOLDER CXX: an nvcc that is too old, or with which nothing can be compiled, is
# told in the one line of the configuration, which goes on without CUDA. More than one architecture is refused in words.
set -euo pipefail
kernels=$1 build=$2 compiler=$3
rm -rf "$build"
mkdir -p "$build/bin"

# expect RELEASE LINE: what the configuration says of an nvcc of that release which compiles nothing.
expect() {
  printf '#!/bin/sh\necho "Cuda compilation tools, release %s, V%s.89"\nexit 1\n' "$1" "$1" >"$build/bin/nvcc"
  chmod +x "$build/bin/nvcc"
  env -u CUDACXX PATH="$build/bin:$PATH" cmake -S "$kernels" -B "$build/$1" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" \
    -DYONDER_BUILD_TESTS=OFF -DYONDER_WITH_CUDA=AUTO >"$build/log" 2>&1 || { cat "$build/log" && exit 1; }
  grep -qF -- "-- Yonder's CUDA kernels: off ($2" "$build/log" || {
    echo "error: expected \"$2\", and the configuration says:"
    grep "CUDA" "$build/log"
    exit 1
  }
}
expect 11.8 "$build/bin/nvcc is of CUDA 11.8, and 12.5 or later is needed"
expect 12.9 "CMake cannot compile with $build/bin/nvcc; -DYONDER_WITH_CUDA=ON shows what it says)"

if cmake -S "$kernels" -B "$build/two" -G Ninja -DCMAKE_CXX_COMPILER="$compiler" -DYONDER_BUILD_TESTS=OFF -DYONDER_WITH_CUDA=ON \
  "-DYONDER_CUDA_ARCHITECTURE=80;86" >"$build/log" 2>&1 || ! grep -qF 'YONDER_CUDA_ARCHITECTURE is "80;86"' "$build/log"; then
  echo "error: two architectures are not refused in words:"
  cat "$build/log"
  exit 1
fi
