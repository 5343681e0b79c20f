#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# build_and_run.sh MESON LIBRARIES FOLDER: builds the consumer with Meson, which finds Yonder by pkg-config, and runs it.
set -euo pipefail

meson=$1 libraries=$2 folder=$3
export PKG_CONFIG_PATH=$libraries/pkgconfig
rm -rf "$folder"
mkdir -p "$folder/project/meson"
cp -r "$(dirname "$0")/../consumer" "$folder/project/"
cp "$(dirname "$0")/meson.build" "$folder/project/meson/"
"$meson" setup "$folder/built" "$folder/project/meson"
ninja -C "$folder/built"
"$folder/built/consumer"
