// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>
#include <system_error>

namespace yonder::platform {

// Makes a system call again for as long as handlers of signals interrupt it.
template <class Call>
auto retry(Call call) noexcept(noexcept(call())) {
  for (;;) {
    auto const result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

// After a system call that has failed: throws std::system_error with errno. `what`: the call, or what it was
// for.
[[noreturn]] inline void throw_errno(char const* what) {
  throw std::system_error(errno, std::generic_category(), what);
}

}  // namespace yonder::platform
