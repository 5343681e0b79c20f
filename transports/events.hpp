// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "transports/transport.hpp"

namespace yonder::transport {

// Throws where there is no memory for one event more; so that none is lost that was taken out of a
// connection.
inline void make_room_for_one(std::vector<event>& events) {
  constexpr std::size_t least = 16;
  if (events.size() == events.capacity()) events.reserve(std::max(least, 2 * events.size()));
}

}  // namespace yonder::transport
