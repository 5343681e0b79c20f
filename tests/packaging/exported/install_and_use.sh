#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install_and_use.sh SOURCE FOLDER [OPTION…]: builds and installs a library that has Yonder as a part, then a program that uses it: the installed one,
# from where it was moved to, and the one of the build folder.
set -euo pipefail

source=$1 folder=$2
shift 2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
built=${folder}_built # a neighbour of the other ways' builds: a cache of the compiler then has its objects
rm -rf "$folder" "$built"
cmake -S "$here" -B "$built" -G Ninja "$@" "-DYONDER_SOURCE=$source" -DYONDER_WITH_ML=OFF -DYONDER_WITH_ZMQ=OFF -DYONDER_WITH_ASIO=OFF
cmake --build "$built"
cmake --install "$built" --prefix "$folder/installed"
mv "$folder/installed" "$folder/moved here"

use() { # <name> <option>
  cmake -S "$here/user" -B "$folder/user_$1" -G Ninja "${@:3}" "$2"
  cmake --build "$folder/user_$1"
  "$folder/user_$1/user"
}
use installed "-DCMAKE_PREFIX_PATH=$folder/moved here" "$@"
use build_tree "-DBUILD_TREE=$built" "$@"
