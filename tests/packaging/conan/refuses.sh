#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# refuses.sh CONAN SOURCE FOLDER: what the recipe cannot build is refused before anything is built, in words.
set -euo pipefail

conan=$1 source=$2 folder=$3
export CONAN_HOME=$folder/home
profile=$source/tests/packaging/conan/profile
rm -rf "$folder"
mkdir -p "$CONAN_HOME"

refused() { # <words> <settings…>
  local words=$1 said settings=()
  shift
  for setting in "$@"; do settings+=("-s:h=$setting"); done
  said=$("$conan" graph info "$source" --no-remote -pr:a "$profile" "${settings[@]}" 2>&1 | tr -s ' \n' ' ')
  grep -qF "$words" <<<"$said" || {
    grep -oE '(info_invalid|ERROR): .{200}' <<<"$said" || printf '%s\n' "$said"
    echo "expected: $words"
    exit 1
  }
}
refused "Current cppstd (17) is lower than the required C++ standard (20)" compiler.cppstd=17
refused "needs gcc 11 or later, clang 14 or later; this profile has gcc 10" compiler.version=10
refused "needs gcc 11 or later, clang 14 or later; this profile has clang 13" compiler=clang compiler.version=13 compiler.libcxx=libstdc++11 compiler.cppstd=20
refused "runs on Linux only, not yet on Macos" os=Macos
