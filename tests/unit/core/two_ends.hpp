// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/link.hpp"

#include <doctest/doctest.h>

#include <cstdint>
#include <utility>
#include <variant>
#include <vector>

namespace yonder::core::test {

using session_link = yonder::core::link;  // <unistd.h> has a link, too

inline constexpr peer_id far_end = 1;

struct two_ends {
  link_timing timing;
  session_link from{false, timing};
  session_link to{false, timing};
  outputs out;
  time_point now = second;
  std::vector<std::uint64_t> delivered;

  two_ends() {
    from.open(now, far_end, 9);
    to.open(now, far_end, 9);
  }

  void send(std::uint64_t number) {
    auto message = make_control(frame_type::call);
    message.head.call.number = number;
    auto const head = message.head;
    from.send(now, head, frame_ref(std::move(message)), never, out);
  }

  // The frames that left since the last time.
  std::vector<frame> sent() {
    std::vector<frame> frames;
    for (auto& one : out) frames.push_back(std::get<out::send>(one).take());
    out.clear();
    return frames;
  }

  void receive(frame message) {
    if (to.arrived(now, message) != session_link::arrival::deliver) return;
    do delivered.push_back(message.head.call.number);
    while (to.next(now, message));
  }

  frame copy_of(frame const& message) {
    return {message.head, byte_buffer::copy_of(message.body), message.buffers};
  }

  void acknowledge() {
    now += timing.ack_delay;
    to.tick(now, out);
    for (auto& message : sent()) {
      if (message.head.type == frame_type::ack) CHECK(from.acknowledged(now, message, out));
    }
  }
};

using numbers = std::vector<std::uint64_t>;

}  // namespace yonder::core::test
