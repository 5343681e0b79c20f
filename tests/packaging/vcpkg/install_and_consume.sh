#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install_and_consume.sh SOURCE FOLDER static|dynamic [default] [FEATURE…]: a registry with our port is made, and consumers are built and run against
# what the port installs with these features, and its default ones where that is asked for. With vcpkg (VCPKG_ROOT is its folder) by vcpkg
# itself, from the last commit of SOURCE, by a git URL, Debian's packages standing in for the ports that it depends on. Without it the port's steps run under harness.cmake, and the exit status is 77: unproven.
set -euo pipefail

source=$1 folder=$2 linkage=$3
features=("${@:4}")
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
port=$source/packaging/vcpkg/ports/yonder
rm -rf "$folder"
mkdir -p "$folder/project"

python3 "$here/check_port.py" "$source"

has() { [[ " ${features[*]} " == *" $1 "* ]]; }

# Builds and runs the consumers that these features allow.
consume() { # <cmake options…>
  consume_one core main.cpp "$@"
  ! has asio || consume_one asio asio.cpp "$@"
  ! has http || consume_one http http.cpp "$@"
  ! has launch || consume_one launch launch.cpp "$@"
}
consume_one() { # <component> <source file> <cmake options…>
  cmake -S "$here/../find_package" "-DCOMPONENTS=$1" "-DSOURCE=$2" -B "$folder/built_$1" -G Ninja -DCMAKE_BUILD_TYPE=Release "${@:3}"
  cmake --build "$folder/built_$1"
  "$folder/built_$1/consumer"
}

if [ ! -x "${VCPKG_ROOT-}/vcpkg" ]; then
  cmake -DPORT_FOLDER="$port" -DSOURCE="$source" -DFOLDER="$folder/tree" -DLINKAGE="$linkage" -DFEATURES="$(IFS=';' && echo "${features[*]/default/ml;zmq}")" -P "$here/harness.cmake"
  consume -DCMAKE_PREFIX_PATH="$folder/tree/packages"
  ! has tools || LD_LIBRARY_PATH="$folder/tree/packages/lib" "$folder/tree/packages/tools/yonder/yonder" --help >/dev/null
  echo "vcpkg is not there (VCPKG_ROOT): its helper functions were stand-ins"
  exit 77
fi

baseline=$("$source/packaging/vcpkg/registry.sh" "file://$source" "$(git -C "$source" rev-parse HEAD)" "$folder/registry" | tail -n 1)
sed -e "s|@REGISTRY@|$folder/registry|" -e "s|@BASELINE@|$baseline|" "$here/vcpkg-configuration.json.in" >"$folder/project/vcpkg-configuration.json"
python3 -c 'import json, sys
features = [name for name in sys.argv[1:] if name != "default"]
yonder = {"name": "yonder", "default-features": "default" in sys.argv, "features": features}
print(json.dumps({"name": "consumer", "version": "1.0.0", "dependencies": [yonder]}))' "${features[@]}" >"$folder/project/vcpkg.json"
mkdir "$folder/triplets"
printf '%s\n' 'set(VCPKG_TARGET_ARCHITECTURE x64)' 'set(VCPKG_CMAKE_SYSTEM_NAME Linux)' 'set(VCPKG_CRT_LINKAGE dynamic)' \
  "set(VCPKG_LIBRARY_LINKAGE $linkage)" 'set(VCPKG_BUILD_TYPE release)' 'set(VCPKG_FIXUP_ELF_RPATH OFF)' >"$folder/triplets/x64-linux.cmake"
# Nothing is downloaded: programs are this machine's, and patchelf is not asked for.
export VCPKG_KEEP_ENV_VARS='CMAKE_CXX_COMPILER_LAUNCHER;CCACHE_DIR;CCACHE_NOHASHDIR;CCACHE_BASEDIR' VCPKG_FORCE_SYSTEM_BINARIES=1 VCPKG_DISABLE_METRICS=1 X_VCPKG_REGISTRIES_CACHE=$folder/cache VCPKG_BINARY_SOURCES=clear
mkdir "$folder/cache"
"$VCPKG_ROOT/vcpkg" install --x-manifest-root="$folder/project" --x-install-root="$folder/installed" --triplet=x64-linux \
  --x-buildtrees-root="$folder/buildtrees" --x-packages-root="$folder/packages" --downloads-root="$folder/downloads" \
  --overlay-triplets="$folder/triplets" --overlay-ports="$here/stand_ins" --overlay-ports="$VCPKG_ROOT/ports" --enforce-port-checks
"$VCPKG_ROOT/vcpkg" format-manifest "$folder/registry/ports/yonder/vcpkg.json"
git -C "$folder/registry" diff --exit-code # the manifest is in vcpkg's own form
consume -DCMAKE_TOOLCHAIN_FILE="$VCPKG_ROOT/scripts/buildsystems/vcpkg.cmake" -DVCPKG_INSTALLED_DIR="$folder/installed" \
  -DVCPKG_MANIFEST_MODE=OFF -DVCPKG_TARGET_TRIPLET=x64-linux
# vcpkg writes the way to the libraries into it by patchelf, which was not asked for.
! has tools || LD_LIBRARY_PATH="$folder/installed/x64-linux/lib" "$folder/installed/x64-linux/tools/yonder/yonder" --help >/dev/null
rm -rf "$folder"/{buildtrees,packages,downloads}
