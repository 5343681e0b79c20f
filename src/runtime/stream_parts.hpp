// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <utility>

#include "src/core/streams.hpp"
#include "yonder/detail/streaming.hpp"

namespace yonder::runtime_detail {

// The items of a frame of which a core has said that it decodes, and what they weigh.
inline detail::stream_part part_of(core::frame&& message, core::stream_level& size) {
  auto const kept = std::make_shared<core::frame const>(std::move(message));
  core::packed_items items;
  core::read_items(*kept, items);
  size = {items.count, core::value_bytes(*kept)};
  return {kept->payload(), items.sizes, items.count, kept->buffers, kept};
}

}  // namespace yonder::runtime_detail
