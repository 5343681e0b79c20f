// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>

namespace yonder::core {

// Ends `made`, whose metadata is `body`, with the payload and the buffers of `message`, in which each value
// (of rising `where`) stands in place of `replaced` bytes.
template <class Value>
void splice_payload(frame& made, byte_buffer body, frame const& message, std::span<Value const> values,
                    std::size_t replaced) {
  auto const payload = message.payload();
  std::size_t at = 0, buffer = 0;
  auto const copy_up_to = [&](std::size_t offset, std::size_t next_buffer) {
    body.append(payload.data() + at, offset - at);
    at = offset;
    for (; buffer < next_buffer; ++buffer) made.buffers.push_back(message.buffers[buffer]);
  };
  for (auto const& value : values) {
    copy_up_to(value.where.offset, value.where.buffer);
    at += replaced;
    body.append(value.bytes.data(), value.bytes.size());
    made.buffers.insert(made.buffers.end(), value.buffers.begin(), value.buffers.end());
  }
  copy_up_to(payload.size(), message.buffers.size());
  made.head.buffer_count = static_cast<std::uint32_t>(made.buffers.size());
  made.body = std::move(body);
}

}  // namespace yonder::core
