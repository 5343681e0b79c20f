#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# run_quick.sh BUILD ROOT: the quick tests of a build for arm64, under qemu-user. In namespaces of its own it tells the kernel to run programs of arm64 by
# qemu, so that tests can start programs, and workers. Results: BUILD/quick.xml.
set -euo pipefail

build=$1 root=$2
if [ "${3-}" != inside ]; then
  unshare --user --map-root-user --mount true 2>/dev/null || {
    echo "skipped: no user namespace may be made here"
    exit 77
  }
  exec unshare --user --map-root-user --mount "$0" "$build" "$root" inside
fi
mount -t binfmt_misc none /proc/sys/fs/binfmt_misc
# The header of an ELF program for arm64. F: the emulator is opened now; P: the program's name stays as it was given.
# shellcheck disable=SC2028  # the kernel reads the escapes
echo ':arm64:M::\x7fELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x02\x00\xb7\x00:\xff\xff\xff\xff\xff\xff\xff\x00\xff\xff\xff\xff\xff\xff\xff\xff\xfe\xff\xff\xff:'"$(command -v qemu-aarch64-static || command -v qemu-aarch64):FP" \
  >/proc/sys/fs/binfmt_misc/register
export QEMU_LD_PREFIX=$root
cd "$build"
ctest -L '^quick$' -E '^(compile_fail|docs_|packaging_)' --timeout 900 --output-on-failure --output-junit quick.xml
