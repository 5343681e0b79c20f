#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_includes.sh ROOT: every #include of the tree under ROOT is one that the table of layers in CONTRIBUTING.md
# allows, and what is pure includes nothing that is not. Prints each that is not, and exits with 1 if there is one.
# check_includes.sh ROOT --self-check: plants bad includes in a copy and sees them found.
set -euo pipefail

# What src/core and src/driver do without, as extended regular expressions.
impure='chrono|ctime|time\.h|random|thread|stop_token|mutex|shared_mutex|condition_variable|future|atomic|iostream|fstream'
impure+='|filesystem|unistd\.h|fcntl\.h|poll\.h|pthread\.h|signal\.h|csignal|sys/.*|net.*/.*|arpa/.*'

sources() {
  cd "$1"
  find examples include src transports kernels -regextype posix-extended -type f \
    -regex '.*\.(hpp|cpp|h|cu|cuh|inc)' | LC_ALL=C sort
}

# Lines "FILE:NUMBER:#include …".
includes() { sources "$1" | (cd "$1" && xargs grep -nE '^ *# *include *["<]' /dev/null); }

# shellcheck disable=SC2016  # the backticks are Markdown
layers() { sed -nE 's/^\| `([a-z_\/]+)` \|.*\|([^|]*)\|$/layer \1 \2/p' "$1/CONTRIBUTING.md" | tr -d '`,'; }

check() { # <root>
  { sed 's/^/file /' <(sources "$1")
    layers "$1"
    includes "$1"; } | awk -v impure="^($impure)\$" '
    # The most exact layer that a file lies in.
    function layer_of(path,   best, each) {
      best = ""
      for (each in layers) if (index(path, each) == 1 && length(each) > length(best)) best = each
      return best
    }
    # The file of the tree that `name`, included by `from`, is; "" if it is none.
    function resolve(name, from,   folder, path, i) {
      folder = from
      sub(/[^\/]*$/, "", folder)
      for (i = 0; i < 4; ++i) {
        path = (roots[i] == "." ? folder : roots[i]) name
        while (sub(/[^\/]+\/\.\.\//, "", path)) {}
        if (path in files) return path
      }
      return ""
    }
    function report(what) { print from ":" number ": " what; ++bad }
    BEGIN { roots[0] = "."; roots[1] = ""; roots[2] = "include/"; roots[3] = "kernels/" }
    $1 == "file" { files[$2] = 1; next }
    $1 == "layer" { layers[$2] = 1; for (i = 3; i <= NF; ++i) allowed[$2, $i] = 1; next }
    {
      split($0, part, ":")
      from = part[1]; number = part[2]
      match($0, /["<][^">]*[">]/)
      name = substr($0, RSTART + 1, RLENGTH - 2)
      mine = layer_of(from)
      if (mine == "") next
      if ((mine == "src/core/" || mine == "src/driver/") && name ~ impure)
        report(mine " is pure and must not include <" name ">")
      if (name ~ /^zmq/ && from !~ /^transports\/zmq\//) report("only transports/zmq/ knows ZeroMQ: " name)
      if (name ~ /^boost\/(asio|beast)/ && from !~ /^(transports\/asio\/|src\/http\/|include\/yonder\/asio\.hpp|examples\/)/)
        report("only transports/asio/, src/http/ and yonder/asio.hpp know Asio: " name)
      found = resolve(name, from)
      if (found == "") next
      other = layer_of(found)
      ++arrows
      if (other != mine && other != "" && !((mine, other) in allowed))
        report(mine " must not include " other " (" name ")")
    }
    END {
      if (length(layers) < 8 || arrows < 100) { print "the table of layers or the includes were not found"; exit 1 }
      exit bad != 0
    }'
}

expect() { # <what is said> <file> <line>
  local copy=$work/$2 kept
  mkdir -p "$(dirname "$copy")"
  kept=$(cat "$copy" 2>/dev/null || true)
  printf '%s\n' "$3" >>"$copy"
  if check "$work" >"$work/said"; then echo "not found: $3 in $2"; exit 1; fi
  grep -qF "$1" "$work/said" || { echo "said otherwise:"; cat "$work/said"; exit 1; }
  if [ -n "$kept" ]; then printf '%s\n' "$kept" >"$copy"; else rm "$copy"; fi
}

self_check() { # <root>
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cp -r "$1"/{CONTRIBUTING.md,examples,include,src,transports,kernels} "$work"
  check "$work"
  expect 'src/core/ must not include transports/' src/core/planted.hpp '#include "transports/transport.hpp"'
  expect 'src/platform/ must not include transports/' src/platform/process.cpp '#  include "transports/transport.hpp"'
  expect 'transports/ must not include src/runtime/' transports/local/planted.cpp '#include "src/runtime/engine.hpp"'
  expect 'include/yonder/ must not include src/core/' include/yonder/planted.hpp '#include <src/core/frame.hpp>'
  expect 'include/yonder/ must not include include/yonder/ml/' include/yonder/planted.hpp '#include <yonder/ml/text_options.hpp>'
  expect 'kernels/ must not include include/yonder/ (' kernels/ml/planted.cpp '#include "yonder/task.hpp"'
  expect 'examples/ must not include src/core/' examples/planted.cpp '#include "../src/core/frame.hpp"'
  expect 'is pure and must not include <chrono>' src/core/planted.hpp '#include <chrono>'
  expect 'is pure and must not include <sys/socket.h>' src/core/frame.cpp '#include <sys/socket.h>'
  expect 'only transports/zmq/ knows ZeroMQ' src/runtime/planted.cpp '#include <zmq.hpp>'
  check "$work"
}

root=$(cd "$1" && pwd)
if [ "${2-}" = --self-check ]; then self_check "$root"; else check "$root"; fi
