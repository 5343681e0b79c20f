#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_and_run.sh COMPILER LIBRARIES FOLDER: compiles the consumer with nothing but pkg-config, and runs it.
set -euo pipefail

compiler=$1
folder=$3
export PKG_CONFIG_PATH=$2/pkgconfig LD_LIBRARY_PATH=$2

read -ra flags < <(pkg-config --cflags --libs yonder)
mkdir -p "$folder"
"$compiler" -std=c++20 -o "$folder/consumer" "$(dirname "$0")/../consumer/main.cpp" "${flags[@]}"
exec "$folder/consumer"
