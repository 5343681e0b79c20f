#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# check_flags.sh COMPILER INCLUDE: what Yonder cannot be compiled with is refused by the first headers of programs in one line that says what to do, with
# nothing but the end of the compilation behind it; what macros of other libraries are called is nothing that ours are.
set -euo pipefail

compiler=$1 include=$2
failed=0
refused() { # <header> <words> <flags…>
  local header=$1 words=$2 said
  shift 2
  said=$("$compiler" "$@" -fsyntax-only -I"$include" -DYONDER_LINKS_CORE=1 -include "yonder/$header.hpp" -x c++ /dev/null 2>&1) || true
  if [ "$(grep -cE '(^|[^a-z])error: ' <<<"$said")" -gt 2 ] || ! grep -qF -- "$words" <<<"$said"; then
    printf 'yonder/%s.hpp with %s, expected: %s\n%s\n' "$header" "$*" "$words" "$(head -n 5 <<<"$said")"
    failed=1
  fi
}
for header in yonder task runtime codec; do
  refused $header "compile with -std=c++20 or later" -std=c++17
  refused $header "compile without -fno-rtti" -std=c++20 -fno-rtti
  refused $header "compile without -fno-exceptions" -std=c++20 -fno-exceptions
done
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
"$compiler" -std=c++20 -fsyntax-only -I"$include" -DYONDER_LINKS_CORE=1 -include "$here/../packaging/consumer/min_max.hpp" \
  -include yonder/yonder.hpp -include yonder/launch.hpp -include yonder/http_options.hpp -x c++ /dev/null || failed=1
exit $failed
