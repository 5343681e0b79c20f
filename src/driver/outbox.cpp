// SPDX-License-Identifier: Apache-2.0
#include "src/driver/outbox.hpp"

namespace yonder::driver {

outbox::fate outbox::settle(core::out::send&& message, send_result result, bool repeats) {
  switch (result) {
    case send_result::too_large: return fate::refused;
    case send_result::full:
      if (repeats) return fate::settled;
      waiting_[message.peer].push_back(std::move(message));
      return fate::waits;
    default: return fate::settled;
  }
}

}  // namespace yonder::driver
