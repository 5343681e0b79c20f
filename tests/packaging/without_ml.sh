#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# without_ml.sh SOURCE BUILD [OPTION…]: with YONDER_WITH_ML=OFF the whole project configures where
# nlohmann_json is not to be found, and no file of kernels/ is compiled. The .pc files know folders outside the prefix.
set -euo pipefail
source=$1 build=$2
shift 2
rm -rf "$build"
cmake -S "$source" -B "$build" -G Ninja "$@" -DYONDER_WITH_ML=OFF -DCMAKE_DISABLE_FIND_PACKAGE_nlohmann_json=ON \
  -DCMAKE_INSTALL_PREFIX=/opt/yonder -DCMAKE_INSTALL_LIBDIR=/opt/libraries/lib -DCMAKE_INSTALL_INCLUDEDIR=/opt/headers |
  tee "$build.log"
grep -qF "Yonder's CUDA kernels: off (they are of yonder::ml, and YONDER_WITH_ML is OFF)" "$build.log"
if grep -nE '^build [^:]*: CXX_COMPILER.*/kernels/' "$build/build.ninja"; then
  echo "these files of kernels/ are compiled without yonder::ml" >&2
  exit 1
fi
grep -q '^build CMakeFiles/yonder_core.dir/src/version.cpp.o: CXX_COMPILER' "$build/build.ninja"

for folder in libdir=/opt/libraries/lib includedir=/opt/headers; do
  found=$(PKG_CONFIG_PATH=$build pkg-config --variable="${folder%%=*}" yonder-headers)
  [ "$found" = "${folder#*=}" ] || {
    echo "yonder-headers.pc: expected $folder, found '$found'" >&2
    exit 1
  }
done
