// SPDX-License-Identifier: Apache-2.0
#include "src/driver/outbox.hpp"

namespace yonder::driver {

outbox::fate outbox::settle(core::time_point now, core::out::send&& message, send_result result,
                            bool repeats) {
  switch (result) {
    case send_result::too_large: return YONDER_MUTANT(too_large_ignored) ? fate::settled : fate::refused;
    case send_result::failed: return YONDER_MUTANT(failed_send_ignored) ? fate::settled : fate::refused;
    case send_result::full:
      if (repeats || YONDER_MUTANT(full_queue_drops)) return fate::settled;
      waiting_[message.peer].push_back({std::move(message), now});
      return fate::waits;
    default: return fate::settled;
  }
}

void outbox::use_up(core::time_point now, waiting& one) noexcept {
  auto& head = one.message.head;
  auto const states_deadline = head.type == core::frame_type::call || head.type == core::frame_type::assign;
  if (!states_deadline || head.remaining_us == 0 || YONDER_MUTANT(waiting_uses_no_time)) return;
  auto const waited = static_cast<std::uint64_t>(now - one.since) / core::microsecond;
  head.remaining_us = head.remaining_us > waited ? head.remaining_us - waited : 1;
  one.since += static_cast<core::duration>(waited) * core::microsecond;  // what is less than one counts later
}

}  // namespace yonder::driver
