// SPDX-License-Identifier: Apache-2.0
#include "src/core/composition.hpp"

#include "src/core/metadata.hpp"
#include "src/core/payload_splice.hpp"
#include "src/core/values.hpp"

namespace yonder::core {

bool are_within(frame const& message, std::span<awaited_argument const> arguments) {
  awaited_argument before;
  for (auto const& one : arguments) {
    if (one.offset < before.offset || one.buffer < before.buffer) return false;
    before = one;
  }
  return before.offset <= message.payload().size() && before.buffer <= message.buffers.size();
}

namespace {

// What stands behind a value that came in has moved.
void copy_referred(byte_buffer& body, frame const& message, std::span<argument_value const> values) {
  std::vector<referred_argument> referred;
  if (!read_referred(message, referred) || referred.empty()) return;
  for (auto& one : referred) {
    auto const offset = one.offset;
    for (auto const& value : values) {
      if (value.where.offset > offset) break;
      one.offset += static_cast<std::uint32_t>(value.bytes.size());
      one.buffer += static_cast<std::uint32_t>(value.buffers.size());
    }
  }
  write_referred(body, referred);
}

}  // namespace

frame compose(frame const& message, std::span<argument_value const> values) {
  frame made;
  made.head = message.head;
  byte_buffer body;
  copy_without_arguments(body, message.metadata());
  copy_referred(body, message, values);
  made.head.metadata_size = static_cast<std::uint32_t>(body.size());
  splice_payload(made, std::move(body), message, values, 0);
  return made;
}

}  // namespace yonder::core
