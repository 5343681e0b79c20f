#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_and_run.sh COMPILER LIBRARIES FOLDER [PACKAGE SOURCE]: compiles a consumer with nothing but pkg-config, and runs it.
set -euo pipefail

compiler=$1
folder=$3
package=${4:-yonder} source=${5:-main.cpp}
export PKG_CONFIG_PATH=$2/pkgconfig LD_LIBRARY_PATH=$2

said=$(pkg-config --cflags --libs "$package")
read -ra flags <<<"$said"
mkdir -p "$folder"
"$compiler" -std=c++20 -o "$folder/consumer" "$(dirname "$0")/../consumer/$source" "${flags[@]}"
exec "$folder/consumer"
