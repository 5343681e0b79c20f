#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# cross_build.sh SOURCE FOLDER libraries=LIBRARIES launcher=LAUNCHER [small|kernels|quick]: builds Yonder for arm64 with Debian's cross compiler and runs it under qemu-user. LIBRARIES is
# what fetch_libraries.sh has unpacked; without it yonder::zmq is left out, and the exit status is 77: unproven.
#   small   core alone: a program that calls threads and a worker process, and the unit tests of codec, cores and drivers
#   kernels kernels/ alone: products and operators against their references, on processors with and without products of bf16 and int8
#   (none)  core, zmq and ml: the same program with a model, and another runtime's hub over ZeroMQ
#   quick   everything that `./dev test` runs. Tests that start their own program need the kernel to know arm64's (binfmt_misc):
#           they run where this process may register that in a user namespace.
set -euo pipefail

source=$1 folder=$2 libraries=${3#libraries=} launcher=${4#launcher=} which=${5-}
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
for program in aarch64-linux-gnu-g++ qemu-aarch64; do
  command -v "$program" >/dev/null || {
    echo "skipped: $program is not there (Debian: g++-aarch64-linux-gnu, qemu-user)"
    exit 77
  }
done
zmq=OFF
[ ! -e "$libraries/usr/include/zmq.h" ] || [ "$which" = small ] || [ "$which" = kernels ] || zmq=ON

# One root for the linker and the emulator: the compiler's own libraries, those that were fetched, and headers, which serve every architecture.
root=$folder/root
rm -rf "$root"
mkdir -p "$root/usr/lib/cmake" "$root/usr/include"
cp -as /usr/aarch64-linux-gnu/lib "$root/lib"
if [ $zmq = ON ]; then
  cp -as "$libraries/usr/." "$root/usr/"
  [ ! -d "$libraries/lib" ] || cp -as "$libraries/lib/." "$root/lib/"
fi
for header in cereal nlohmann doctest boost CLI toml++ zmq.hpp zmq_addon.hpp; do
  [ ! -e "/usr/include/$header" ] || ln -sfn "/usr/include/$header" "$root/usr/include/$header"
done

# Packages of headers alone; libzmq's own is for pkg-config, which looks for this machine's.
package() { # <name> <target> <version> [library]
  local to=$root/usr/lib/cmake/$1
  mkdir -p "$to"
  printf '%s\n' "if(TARGET $2)" '  return()' 'endif()' "add_library($2 INTERFACE IMPORTED)" \
    "set_target_properties($2 PROPERTIES INTERFACE_INCLUDE_DIRECTORIES $root/usr/include INTERFACE_LINK_LIBRARIES \"${4-}\")" >"$to/$1Config.cmake"
  printf '%s\n' "set(PACKAGE_VERSION $3)" 'set(PACKAGE_VERSION_COMPATIBLE TRUE)' >"$to/$1ConfigVersion.cmake"
}
package cereal cereal::cereal 1.3.2
package nlohmann_json nlohmann_json::nlohmann_json 3.11.2
package doctest doctest::doctest 2.4.9
package CLI11 CLI11::CLI11 2.3.2
package Boost Boost::headers 1.74.0
[ $zmq = OFF ] || package ZeroMQ libzmq 4.3.4 "$root/usr/lib/aarch64-linux-gnu/libzmq.so"

configure() { # <source> <options…>
  local what=$1
  shift
  cmake --fresh -S "$what" -B "$folder/built" -G Ninja --toolchain "$here/toolchain.cmake" "-DYONDER_ARM64_ROOT=$root" -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_CXX_FLAGS_RELEASE=-O1 "-DCMAKE_CXX_COMPILER_LAUNCHER=$launcher" -DCMAKE_UNITY_BUILD=ON -DCMAKE_UNITY_BUILD_BATCH_SIZE=12 \
    -DYONDER_WITH_CUDA=OFF "-DYONDER_WITH_ZMQ=$zmq" "$@"
}

emulate=(qemu-aarch64 -L "$root")
case $which in
  small)
    configure "$here" "-DYONDER_SOURCE=$source" -DYONDER_WITH_ML=OFF -DYONDER_WITH_ASIO=OFF -DYONDER_WITH_HTTP=OFF -DYONDER_WITH_LAUNCH=OFF -DYONDER_BUILD_TESTS=ON
    cmake --build "$folder/built" --target consumer core_test codec_test driver_test
    "${emulate[@]}" "$folder/built/consumer" "${emulate[@]}"
    for test in core codec driver; do
      "${emulate[@]}" "$(find "$folder/built" -name "${test}_test" -type f)"
    done
    ;;
  kernels)
    configure "$source/kernels" -DYONDER_BUILD_TESTS=ON
    cmake --build "$folder/built" --target kernels_operators
    # The kernels that a processor's programs take come first; those of lesser ones are tried with them.
    operators() { # <processor> <kernels of bf16> <of int8> <cases that are left out: they take longest, and the kernels are those of others>
      "${emulate[@]}" -cpu "$1" "$folder/built/tests/kernels_operators" --test-case-exclude="$4" >"$folder/operators.log" || {
        cat "$folder/operators.log"
        exit 1
      }
      local bf16 int8
      bf16=$(grep -om1 'bf16[^:]*: error.*' "$folder/operators.log")
      int8=$(grep -om1 'int8[^:]*: error.*' "$folder/operators.log")
      echo "$1: $bf16; $int8"
      [[ $bf16 = "$2: "* && $int8 = "$3: "* ]] || {
        echo "the kernels for $1 are not $2 and $3"
        exit 1
      }
    }
    operators max "bf16, BFMMLA" "int8, SMMLA" "of local attention*"
    operators neoverse-n1 "bf16 by fp32, NEON" "int8, SDOT" "*attention*"
    operators cortex-a72 "bf16 by fp32, NEON" "int8, NEON" "*attention*"
    ;;
  "")
    configure "$here" "-DYONDER_SOURCE=$source" -DYONDER_WITH_ASIO=OFF -DYONDER_WITH_HTTP=OFF -DYONDER_WITH_LAUNCH=OFF
    cmake --build "$folder/built" --target consumer
    "${emulate[@]}" "$folder/built/consumer" "${emulate[@]}"
    ;;
  quick)
    configure "$source" -DYONDER_BUILD_TESTS=ON -DYONDER_BUILD_EXAMPLES=ON -DYONDER_INSTALL=OFF
    cmake --build "$folder/built" -- -k 0
    exec "$here/run_quick.sh" "$folder/built" "$root"
    ;;
esac
[ $zmq = ON ] || [ "$which" = small ] || [ "$which" = kernels ] || {
  echo "without yonder::zmq: its libraries for arm64 are not there (fetch_libraries.sh)"
  exit 77
}
