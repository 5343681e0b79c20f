// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <thread>

#include "yonder/detail/export.hpp"

namespace yonder::platform {

// A thread of ours inside somebody else's program: it takes no signals, but for those that its own fault
// raises, so that the program's handlers run elsewhere. What `body` throws ends the thread, with a line on
// stderr. `name`: 15 characters at most. Throws std::system_error.
YONDER_API std::thread start_thread(char const* name, std::function<void()> body);

}  // namespace yonder::platform
