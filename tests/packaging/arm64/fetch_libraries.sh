#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# fetch_libraries.sh FOLDER: unpacks Debian's arm64 libraries that Yonder links, with their headers, into FOLDER, from this machine's archive.
# apt's own state and this system's packages stay as they are.
set -euo pipefail

folder=$(realpath -m "$1")
work=$folder.work
wanted=(libzmq5 libzmq3-dev libsodium23 libpgm-5.3-0 libnorm1 libbsd0 libmd0 libssl3 libssl-dev libgssapi-krb5-2 libkrb5-3 libk5crypto3
  libkrb5support0 libcom-err2 libkeyutils1)

apt_arm64() {
  local program=$1
  shift
  "$program" -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User= -o Dir::State="$work/state" -o Dir::State::status="$work/state/status" \
    -o Dir::Cache="$work/cache" "$@"
}

rm -rf "$folder" "$work"
mkdir -p "$work/state/lists/partial" "$work/cache/archives/partial" "$work/packages" "$work/root"
: >"$work/state/status"
apt_arm64 apt-get update -qq
(cd "$work/packages" && apt_arm64 apt-get download -qq "${wanted[@]}")
for package in "$work"/packages/*.deb; do dpkg -x "$package" "$work/root"; done
mv "$work/root" "$folder"
rm -rf "$work"
