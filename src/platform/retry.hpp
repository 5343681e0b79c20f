// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cerrno>

namespace yonder::platform {

// Makes a system call again for as long as handlers of signals interrupt it.
template <class Call>
auto retry(Call call) noexcept(noexcept(call())) {
  for (;;) {
    auto const result = call();
    if (result != -1 || errno != EINTR) return result;
  }
}

}  // namespace yonder::platform
