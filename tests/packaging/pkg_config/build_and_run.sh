#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_and_run.sh COMPILER PREFIX FOLDER: compiles the consumer with nothing but pkg-config, and runs it.
set -euo pipefail

compiler=$1
libraries=$2/lib
folder=$3
export PKG_CONFIG_PATH=$libraries/pkgconfig LD_LIBRARY_PATH=$libraries

read -ra flags < <(pkg-config --cflags --libs yonder)
mkdir -p "$folder"
"$compiler" -std=c++20 -o "$folder/consumer" "$(dirname "$0")/../consumer/main.cpp" "${flags[@]}"
exec "$folder/consumer"
