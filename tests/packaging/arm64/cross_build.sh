#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cross_build.sh SOURCE FOLDER [LAUNCHER]: builds yonder::core and yonder::ml for arm64 with Debian's cross compiler, and runs a program that uses
# them under qemu-user. What they need of others are headers, for which this machine's own serve.
set -euo pipefail

source=$1 folder=$2 launcher=${3-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
arm=/usr/aarch64-linux-gnu
for program in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$program" >/dev/null || {
    echo "skipped: $program is not there (Debian: g++-aarch64-linux-gnu, qemu-user)"
    exit 77
  }
done
mkdir -p "$folder/headers/include" "$folder/headers/lib/cmake"
for name in cereal nlohmann; do cp -r "/usr/include/$name" "$folder/headers/include/"; done

# Two packages of headers alone.
package() { # <name> <target> <version>
  mkdir -p "$folder/headers/lib/cmake/$1"
  printf '%s\n' "add_library($2 INTERFACE IMPORTED)" \
    "set_target_properties($2 PROPERTIES INTERFACE_INCLUDE_DIRECTORIES $folder/headers/include)" >"$folder/headers/lib/cmake/$1/$1Config.cmake"
  printf '%s\n' "set(PACKAGE_VERSION $3)" 'set(PACKAGE_VERSION_COMPATIBLE TRUE)' >"$folder/headers/lib/cmake/$1/$1ConfigVersion.cmake"
}
package cereal cereal::cereal 1.3.2
package nlohmann_json nlohmann_json::nlohmann_json 3.11.2

cmake -S "$here" -B "$folder/built" -G Ninja -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS_RELEASE=-O1 -DCMAKE_CXX_COMPILER_LAUNCHER="$launcher" \
  -DCMAKE_SYSTEM_NAME=Linux -DCMAKE_SYSTEM_PROCESSOR=aarch64 "-DCMAKE_CXX_COMPILER=$(command -v aarch64-linux-gnu-g++)" "-DCMAKE_FIND_ROOT_PATH=$arm;$folder/headers" \
  -DCMAKE_FIND_ROOT_PATH_MODE_PACKAGE=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_LIBRARY=ONLY -DCMAKE_FIND_ROOT_PATH_MODE_INCLUDE=ONLY \
  "-DCMAKE_PREFIX_PATH=/" "-DYONDER_SOURCE=$source" -DYONDER_WITH_ZMQ=OFF -DYONDER_WITH_ASIO=OFF -DYONDER_WITH_HTTP=OFF -DYONDER_WITH_CUDA=OFF
cmake --build "$folder/built" --target consumer
qemu-aarch64 -L "$arm" "$folder/built/consumer" qemu-aarch64 -L "$arm"
