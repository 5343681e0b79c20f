// SPDX-License-Identifier: Apache-2.0
#include "yonder/codec.hpp"

#include <algorithm>

namespace yonder::detail {

void writer::put_large_block(void const* data, std::size_t size, bool stable) {
  bool const apart = size >= policy_.out_of_band_size;
  *out_.head.extend(1) = static_cast<std::byte>(apart);
  if (!apart) {
    out_.head.append(data, size);
    return;
  }
  auto const* const bytes = static_cast<std::byte const*>(data);
  if (stable && policy_.borrow) {
    out_.buffers.push_back({bytes, size, policy_.holder});
  } else {
    out_.buffers.push_back(owned_copy({bytes, size}));
  }
}

namespace {

std::size_t default_budget(std::size_t head, std::span<buffer const> buffers) {
  std::size_t input = head;
  for (auto const& each : buffers) input += each.size;
  return (std::size_t{64} << 20) + 16 * input;
}

}  // namespace

reader::reader(std::span<std::byte const> head, std::span<buffer const> buffers, decode_limits limits)
    : begin_(head.data()),
      at_(head.data()),
      end_(head.data() + head.size()),
      buffers_(buffers),
      budget_(limits.bytes != 0 ? limits.bytes : default_budget(head.size(), buffers)),
      limits_(limits) {}

std::byte const* reader::get_large_block(std::size_t size) {
  bool apart = false;
  get(apart);
  if (!apart) return take(size);
  if (buffers_.empty()) throw_bad_block(offset() - 1, 0, size);
  auto const& next = buffers_.front();
  if (next.size != size) throw_bad_block(offset() - 1, next.size, size);
  buffers_ = buffers_.subspan(1);
  return next.data;
}

}  // namespace yonder::detail
