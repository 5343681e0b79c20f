#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# check_cuda_build.sh NVCC KERNELS-FOLDER BUILD-FOLDER: kernels/ builds alone with CUDA; the binary runs where there is
# no GPU and no driver, and says so in typed errors. Exit status 77 without nvcc: skipped.
set -euo pipefail
nvcc=$1
kernels=$2
build=$3
command -v "$nvcc" >/dev/null || {
  echo "skipped: there is no nvcc here"
  exit 77
}
launcher=()
if command -v ccache >/dev/null; then
  launcher=(-DCMAKE_CXX_COMPILER_LAUNCHER=ccache -DCMAKE_CUDA_COMPILER_LAUNCHER=ccache)
fi
cmake -S "$kernels" -B "$build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CUDA_COMPILER="$nvcc" \
  -DYONDER_WITH_CUDA=ON -DYONDER_WARNINGS_AS_ERRORS=ON "${launcher[@]}" >"$build.log" 2>&1 ||
  { cat "$build.log" && exit 1; }
grep -q "Yonder's CUDA kernels: on (toolkit" "$build.log" || {
  echo "error: the configuration does not say that the CUDA kernels are in"
  exit 1
}
cmake --build "$build" -j 2 --target kernels_devices yonder_gpu yonder_gpu_checked >"$build.log" 2>&1 || { tail -n 60 "$build.log" && exit 1; }
for program in yonder_gpu yonder_gpu_checked; do
  ! ldd "$build/tools/$program" | grep -E 'libcuda|cudart|cublas|libstdc' || {
    echo "error: $program is linked with a library that a machine with a GPU may lack: it would not start there"
    exit 1
  }
done
said=$(CUDA_VISIBLE_DEVICES='' "$build/tools/yonder_gpu" </dev/null 2>&1) && {
  echo "error: yonder_gpu takes a GPU that is hidden"
  exit 1
}
grep -q '^No GPU will be used: ' <<<"$said" || {
  echo "error: yonder_gpu does not say what to type, where no yonder is that could: $said"
  exit 1
}
cmake -S "$kernels" -B "$build-90" -G Ninja -DCMAKE_CUDA_COMPILER="$nvcc" -DYONDER_WITH_CUDA=ON -DYONDER_BUILD_TESTS=OFF \
  -DYONDER_CUDA_ARCHITECTURE=90 >"$build.log" 2>&1 || { cat "$build.log" && exit 1; }
grep -q 'code=sm_90a' "$build-90/build.ninja" || {
  echo "error: what is built for 90 has no wgmma: it needs 90a"
  exit 1
}
"$build/tests/kernels_devices"
