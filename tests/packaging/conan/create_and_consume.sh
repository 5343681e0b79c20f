#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# create_and_consume.sh CONAN SOURCE FOLDER [OPTION…]: makes the Conan package without a network (the profile says what stands in for
# ConanCenter's), which runs test_package/, then builds and runs the consumer against it. OPTION: shared=True, zmq=False, …
set -euo pipefail

conan=$1 source=$2 folder=$3
shift 3
export CONAN_HOME=$folder/home
options=()
for option in "$@"; do options+=(-o "yonder/*:$option"); done
profile=$source/tests/packaging/conan/profile
consumer=$source/tests/packaging/find_package

rm -rf "$folder"
mkdir -p "$CONAN_HOME" "$folder/recipe"
# Of the checkout: the recipe and what it exports; Conan writes into its own folders only.
tar -C "$source" --exclude=./build --exclude=./.git -cf - . | tar -C "$folder/recipe" -xf -
"$conan" create "$folder/recipe" --no-remote -pr:a "$profile" "${options[@]}"
version=$("$conan" inspect "$folder/recipe" --format=json | sed -nE 's/^ *"version": "([^"]+)".*/\1/p')
"$conan" install --requires="yonder/$version" --no-remote -pr:a "$profile" "${options[@]}" -of "$folder/generators" \
  -g CMakeToolchain -g CMakeDeps -g VirtualRunEnv
cmake -S "$consumer" -B "$folder/consumer" -G Ninja -DCMAKE_BUILD_TYPE=Release \
  -DCMAKE_TOOLCHAIN_FILE="$folder/generators/conan_toolchain.cmake" -DCOMPONENTS=core
cmake --build "$folder/consumer"
set +u # Conan's script reads variables that may be unset
# shellcheck disable=SC1091
. "$folder/generators/conanrun.sh"
exec "$folder/consumer/consumer"
