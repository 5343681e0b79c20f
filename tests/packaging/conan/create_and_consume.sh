#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# create_and_consume.sh CONAN SOURCE FOLDER [OPTION…]: makes the Conan package without a network (the profile says what stands in for
# ConanCenter's), which runs test_package/, then builds and runs the consumer of what OPTION asks for with Conan's toolchain, and sees that what was switched
# off is not there. OPTION: shared=True, zmq=False, …
set -euo pipefail

conan=$1 source=$2 folder=$3
shift 3
export CONAN_HOME=$folder/home CCACHE_BASEDIR=$folder
options=()
for option in "$@"; do options+=(-o "yonder/*:$option"); done
profile=$source/tests/packaging/conan/profile
consumer=$source/tests/packaging/find_package

asked() { # <option> <its default>: whether it is on
  local value=$2 option
  for option in "${given[@]}"; do
    case $option in "$1="*) value=${option#*=} ;; esac
  done
  [ "$value" = True ]
}
given=("$@")

rm -rf "$folder"
mkdir -p "$CONAN_HOME" "$folder/recipe"
# Of the checkout: the recipe and what it exports; Conan writes into its own folders only.
tar -C "$source" --exclude=./build --exclude=./.git -cf - . | tar -C "$folder/recipe" -xf -
"$conan" create "$folder/recipe" --no-remote -pr:a "$profile" "${options[@]}"
version=$("$conan" inspect "$folder/recipe" --format=json | sed -nE 's/^ *"version": "([^"]+)".*/\1/p')
"$conan" install --requires="yonder/$version" --no-remote -pr:a "$profile" "${options[@]}" -of "$folder/generators" \
  -g CMakeToolchain -g CMakeDeps -g PkgConfigDeps -g VirtualRunEnv
set +u # Conan's script reads variables that may be unset
# shellcheck disable=SC1091
. "$folder/generators/conanrun.sh"
set -u

consume() { # <component> <source>
  cmake -S "$consumer" -B "$folder/consumer_$1" -G Ninja -DCMAKE_BUILD_TYPE=Release \
    -DCMAKE_TOOLCHAIN_FILE="$folder/generators/conan_toolchain.cmake" "-DCOMPONENTS=$1" "-DSOURCE=$2"
  cmake --build "$folder/consumer_$1"
  "$folder/consumer_$1/consumer"
}
consume core main.cpp
! asked asio False || consume asio asio.cpp
! asked sockets False || consume sockets sockets.cpp
! asked http False || consume http http.cpp
! asked launch False || consume launch launch.cpp

# By the other generators a program says the same of itself as by our own targets.
says() { # <component> <definition>
  grep -q -- "^Cflags:.* -D$2=1" "$folder/generators/yonder-$1.pc" || {
    echo "yonder-$1.pc, of Conan's: no -D$2=1"
    exit 1
  }
}
says core YONDER_LINKS_CORE
! asked zmq True || says zmq YONDER_HAS_ZMQ
! asked sockets False || says sockets YONDER_HAS_SOCKETS
! asked http False || says http YONDER_HAS_HTTP
! asked launch False || says launch YONDER_HAS_LAUNCH

package=$("$conan" cache path "$("$conan" list "yonder/$version:*" --format=json |
  python3 -c 'import json, sys; ref, found = next(iter(json.load(sys.stdin)["Local Cache"].items())); revision, told = next(iter(found["revisions"].items())); print(f"{ref}#{revision}:" + next(iter(told["packages"])))')")
there() { # <what> <expected: yes|no> <glob>
  local found=no
  ! compgen -G "$package/$3" >/dev/null || found=yes
  [ "$found" = "$2" ] || {
    echo "$1: expected '$2', found '$found' ($3)"
    exit 1
  }
}
yes_if() { if asked "$@"; then echo yes; else echo no; fi; }
kind=a
! asked shared False || kind=so
there core yes "lib/libyonder_core.$kind"
there zmq "$(yes_if zmq True)" "lib/libyonder_zmq.$kind"
there ml "$(yes_if ml True)" "lib/libyonder_ml.$kind"
there asio "$(yes_if asio False)" include/yonder/asio.hpp
there sockets "$(yes_if sockets False)" "lib/libyonder_sockets.$kind"
there http "$(yes_if http False)" "lib/libyonder_http.$kind"
there launch "$(yes_if launch False)" "lib/libyonder_launch.$kind"
there tools "$(yes_if tools False)" bin/yonder
there licence yes licenses/LICENSE
! asked tools False || "$package/bin/yonder" --help >/dev/null
rm -rf "$CONAN_HOME" "$folder/recipe" # of two dozen ways, they are gigabytes
