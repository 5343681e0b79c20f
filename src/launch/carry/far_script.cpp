// SPDX-License-Identifier: Apache-2.0
#include "src/launch/carry/far_machine.hpp"

// A folder of what was carried to a machine, of one user:
//   files/HASH            each file once, by its SHA-256
//   programs/ID/files/…   links to what it reads, each under its whole path of the machine that it came from
//   programs/ID/NAME      links to those of one program; ID is the hash of its `sums`
//   programs/ID/sums      "HASH  NAME" line by line, read by sha256sum
//   incoming.*            what is being carried; moved to its place, by rename, when its hashes are right
// Programs that were not started for 30 days go when the next one comes, and files that no program links.
//
// Where several bring the same to one folder, the first is right: a program that is whole stays, and one that
// was moved into it goes. One after the other looks at that (`lock`, where there is flock): what is whole is
// not replaced by what has been damaged since it came.
//
// A line is passed to whatever shell the user has, in single quotes: no line breaks, for csh's sake. What
// that shell prints by itself may have no line's end (a terminal's title): the answer begins with an empty
// line.
namespace yonder::launch {
namespace {

#define YONDER_FAR_CACHE "cache=${1:-${XDG_CACHE_HOME:-$HOME/.cache}/yonder}; "

constexpr char look[] = YONDER_FAR_CACHE
    "loader=$2; host=$3; port=$4; id=$5; shift 5; umask 077; echo; echo \"yonder-far 1\"; "
    "if said=$(mkdir -p \"$cache/files\" \"$cache/programs\" 2>&1) && cd \"$cache\"; then echo \"cache "
    "$(pwd)\"; "
    "else echo \"no-cache $cache: \"$said; cd /; fi; "
    "echo \"machine $(uname -m)\"; "
    "echo \"libc $(getconf GNU_LIBC_VERSION 2>/dev/null || ldd --version 2>&1 | head -n 1)\"; "
    "if [ -x \"$loader\" ]; then echo \"loader\"; fi; "
    "echo \"cpu $(grep -m 1 -E \"^(flags|Features)\" /proc/cpuinfo 2>/dev/null | cut -d : -f 2)\"; "
    "echo \"disk $(df -Pk . 2>/dev/null | tail -n 1)\"; "
    "try=try.$$; if printf \"#!/bin/sh\\n\" >$try && chmod 700 $try && ./$try; then echo runs; fi "
    "2>/dev/null; "
    "rm -f $try 2>/dev/null; "
    "for tool in sha256sum tar zstd; do if command -v $tool >/dev/null 2>&1; then echo \"tool $tool\"; fi; "
    "done; "
    "for file in /usr/lib64/libstdc++.so.6 /usr/lib/*/libstdc++.so.6 /usr/lib/libstdc++.so.6; do "
    "if [ -r \"$file\" ]; then echo \"libstdcxx \"$(grep -ao \"GLIBCXX_[0-9.]*\" \"$file\" | sort -u); "
    "break; fi; "
    "done 2>/dev/null; "
    "if [ -r /proc/driver/nvidia/version ]; then echo \"driver $(head -n 1 /proc/driver/nvidia/version)\"; "
    "fi; "
    "if [ -n \"$host\" ]; then "
    "if command -v bash >/dev/null 2>&1 && command -v timeout >/dev/null 2>&1; then "
    "if said=$(timeout 10 bash -c \"exec 3<>/dev/tcp/\\$0/\\$1\" \"$host\" \"$port\" 2>&1); then echo \"hub "
    "yes\"; "
    "else echo \"hub no \"$said; fi; "
    "elif command -v nc >/dev/null 2>&1; then "
    "if said=$(nc -z -w 10 \"$host\" \"$port\" 2>&1 </dev/null); then echo \"hub yes\"; else echo \"hub no "
    "$said\"; fi; "
    "fi; fi; "
    "if [ -n \"$id\" ] && cd \"programs/$id\" 2>/dev/null && [ \"$(sha256sum sums 2>/dev/null | cut -c "
    "1-64)\" = \"$id\" ] "
    "&& sha256sum -c sums >/dev/null 2>&1; then echo all; else cd \"$cache/files\" && sha256sum -- \"$@\"; "
    "fi 2>/dev/null; "
    "echo end";

constexpr char take[] = YONDER_FAR_CACHE
    "how=$2; id=$3; set -e; umask 077; cd \"$cache\"; incoming=$(mktemp -d incoming.XXXXXX); "
    "trap \"cd /; rm -rf \\\"\\$cache/\\$incoming\\\"\" EXIT; trap \"exit 1\" HUP INT TERM; cd "
    "\"$incoming\"; "
    "if [ \"$how\" = zstd ]; then zstd -q -d -c | tar -xmf -; else tar -xmf -; fi; "
    "bad() { echo \"yonder: what arrived is not what was sent\" >&2; exit 95; }; "
    "[ \"$(sha256sum sums | cut -c 1-64)\" = \"$id\" ] || bad; set -- [0-9a-f]*; if [ -f \"$1\" ]; then "
    "sha256sum \"$@\" | while read -r hash file; do [ \"$hash\" = \"$file\" ] || bad; done; "
    "chmod 500 \"$@\"; mv -f \"$@\" \"$cache/files\"; fi; mkdir program; mv sums program/sums; "
    "while read -r hash name; do "
    "case \"$name\" in */*) [ -d \"program/${name%/*}\" ] || mkdir -p \"program/${name%/*}\";; esac; ln "
    "\"$cache/files/$hash\" "
    "\"program/$name\" 2>/dev/null || cp -p "
    "\"$cache/files/$hash\" \"program/$name\"; done <program/sums; "
    "is_whole() { (cd \"$1\" && [ \"$(sha256sum sums | cut -c 1-64)\" = \"$id\" ] && sha256sum -c sums) "
    ">/dev/null 2>&1; }; "
    "if command -v flock >/dev/null 2>&1; then exec 9>\"$cache/lock\"; flock -w 60 9 2>/dev/null || :; fi; "
    "if is_whole \"$cache/programs/$id\"; then :; else is_whole program || bad; "
    "if [ -e \"$cache/programs/$id\" ]; then mv \"$cache/programs/$id\" former; fi; "
    "mv program \"$cache/programs/$id\"; rm -rf \"$cache/programs/$id/program\"; fi; cd \"$cache\"; "
    "find programs -mindepth 2 -maxdepth 2 -name sums -mtime +30 | while read -r file; do rm -rf "
    "\"${file%/sums}\"; done; "
    "find files -type f -links 1 -mtime +1 -exec rm -f {} +; "
    "find . -maxdepth 1 -name \"incoming.*\" -mtime +1 -exec rm -rf {} +";

constexpr char start[] =
    "cache=${1:-${YONDER_CARRY_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/yonder}}; unset YONDER_CARRY_CACHE; "
    "until=$(($(date +%s) + $2)); id=$3; loader=$4; at=$cache/programs/$id; program=$at/$5; shift 5; "
    "is_whole() { (cd \"$at\" && [ \"$(sha256sum sums | cut -c 1-64)\" = \"$id\" ] && sha256sum -c sums) "
    ">/dev/null 2>&1; }; "
    "until is_whole; do if [ \"$(date +%s)\" -ge $until ]; then "
    "echo \"yonder: $at is not there, or not whole; it is carried again\" >&2; exit 94; fi; "
    "sleep 0.2 2>/dev/null || sleep 1; done; "
    "touch \"$at/sums\"; if [ -d \"$at/files\" ]; then YONDER_FILES=$at/files; export YONDER_FILES; fi; "
    "if [ -n \"$loader\" ]; then exec \"$loader\" --library-path "
    "\"$at${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}\" \"$program\" \"$@\"; fi; "
    "exec \"$program\" \"$@\"";

#undef YONDER_FAR_CACHE

// The loader lists the libraries of a program, and does not run it.
constexpr char installed[] =
    "loader=$1; program=$2; echo; echo \"yonder-far 1\"; "
    "if [ ! -f \"$program\" ]; then echo \"no-program it is not there\"; "
    "elif [ ! -x \"$program\" ]; then echo \"no-program it may not be run by $(id -un)\"; "
    "elif [ -n \"$loader\" ] && [ -x \"$loader\" ]; then "
    "if said=$(\"$loader\" --list \"$program\" 2>&1); then "
    "said=$(echo \"$said\" | grep \"not found\" | head -n 20); fi; "
    "if [ -n \"$said\" ]; then echo \"no-program \"$said; fi; fi; echo end";

}  // namespace

char const* far_script(far_step step) {
  switch (step) {
    case far_step::look: return look;
    case far_step::take: return take;
    case far_step::start: return start;
    case far_step::installed: return installed;
  }
  return "";
}

}  // namespace yonder::launch
