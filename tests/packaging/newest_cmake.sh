#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# newest_cmake.sh CMAKE SOURCE PREFIX FOLDER [OPTION…]: a CMake that is newer than the system's configures this project and consumers of what is installed in
# PREFIX, under the policies of the oldest that we take and under its own, without a word to their authors; a consumer is built and run.
set -euo pipefail

cmake=$1 source=$2 prefix=$3 folder=$4
shift 4
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
rm -rf "$folder"
mkdir -p "$folder"

configure() { # <name> <source> <options…>
  "$cmake" -S "$2" -B "$folder/$1" -G Ninja "${options[@]}" "${@:3}" 2>&1 | tee "$folder/$1.said"
  ! grep -A12 'CMake .*Warning' "$folder/$1.said"
}
options=("$@" --no-warn-unused-cli)
configure project "$source" -DYONDER_WITH_CUDA=OFF -DYONDER_BUILD_TESTS=ON -DYONDER_BUILD_EXAMPLES=ON
rm -rf "$folder/project"
components=core
for component in zmq ml sockets asio http launch; do
  [ ! -e "$(find "$prefix" -name "yonder-$component-targets.cmake")" ] || components+=";$component"
done
for policies in 3.25 "$("$cmake" --version | sed -nE '1s/.* ([0-9]+\.[0-9]+).*/\1/p')"; do
  mkdir -p "$folder/source_$policies/find_package"
  cp -r "$here/consumer" "$folder/source_$policies/"
  sed "s/VERSION 3\.25/VERSION $policies/" "$here/find_package/CMakeLists.txt" >"$folder/source_$policies/find_package/CMakeLists.txt"
  configure "consumer_$policies" "$folder/source_$policies/find_package" "-DCMAKE_PREFIX_PATH=$prefix" "-DCOMPONENTS=$components"
done
"$cmake" --build "$folder/consumer_$policies"
"$folder/consumer_$policies/consumer"
