// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <exception>

#include "src/driver/outbox.hpp"
#include "transports/transport.hpp"

namespace yonder::runtime_detail {

// Gives a frame to a transport. What it answers, as the drivers know it; a throw is an answer, too: the frame
// may be lost.
inline driver::send_result offer(transport::endpoint& to, transport::peer_id peer,
                                 core::out::send const& message) noexcept try {
  switch (to.send(peer, message.message())) {
    case transport::send_status::full: return driver::send_result::full;
    case transport::send_status::gone: return driver::send_result::gone;
    case transport::send_status::too_large: return driver::send_result::too_large;
    default: return driver::send_result::sent;
  }
} catch (std::exception const&) {
  return driver::send_result::failed;
}

}  // namespace yonder::runtime_detail
