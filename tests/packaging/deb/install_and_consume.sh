#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# install_and_consume.sh BUILD CONSUMER FOLDER: makes the Debian packages of a build folder, installs them with dpkg into a
# throw-away layer over this system's files, and builds and runs the consumer there by find_package and by pkg-config. Exit status 77
# where that needs rights that we do not have.
set -euo pipefail

build=$1 consumer=$2 folder=$3

if [ "${4-}" != inside ]; then
  command -v dpkg-shlibdeps >/dev/null || {
    echo "skipped: dpkg-shlibdeps is not there (Debian: dpkg-dev)"
    exit 77
  }
  rm -rf "$folder"
  mkdir -p "$folder/packages"
  (cd "$build" && cpack -G DEB -B "$folder/packages")
  rm -rf "$folder/packages/_CPack_Packages"
  unshare -m true 2>/dev/null || {
    echo "skipped: installing needs root"
    exit 77
  }
  exec unshare -m "$0" "$build" "$consumer" "$folder" inside
fi

# What is mounted here goes with this process.
layer=$folder/layer
mkdir -p "$layer"
mount -t tmpfs tmpfs "$layer"
mkdir "$layer"/{upper,work,root,packages}
mount -t overlay overlay -o "lowerdir=/,upperdir=$layer/upper,workdir=$layer/work" "$layer/root"
mount --rbind /dev "$layer/root/dev"
mount -t proc proc "$layer/root/proc"
mkdir -p "$layer/root/packages" "$layer/root/consumer"
cp "$folder"/packages/*.deb "$layer/root/packages"
cp -r "$consumer"/../. "$layer/root/consumer"
exec chroot "$layer/root" bash -euo pipefail -c '
  # What the packages do not ask for is not there.
  dpkg -r --force-depends libssl-dev libboost-dev libboost1.74-dev libtomlplusplus-dev libcli11-dev nlohmann-json3-dev cppzmq-dev
  dpkg -i /packages/*.deb
  cd /tmp
  cmake -S /consumer/find_package -B built -G Ninja -DCOMPONENTS=core
  cmake --build built
  built/consumer
  /consumer/pkg_config/build_and_run.sh c++ /nowhere pkg_config
  if dpkg -L libyonder-dev | grep "yonder-http\.pc$"; then
    cmake -S /consumer/find_package -B built_http -G Ninja -DCOMPONENTS=http -DSOURCE=http.cpp
    cmake --build built_http
    built_http/consumer
    /consumer/pkg_config/build_and_run.sh c++ /nowhere pkg_config_http yonder-http http.cpp
  fi
  yonder --help >/dev/null
  if command -v systemd-analyze; then
    id yonder
    systemd-analyze verify /usr/lib/systemd/system/yonder-hub.service
  fi
  dpkg -r yonder-tools libyonder-dev libyonder0.1
  ! [ -e /usr/include/yonder ]'
