// SPDX-License-Identifier: Apache-2.0
#include "src/core/journal_record.hpp"

#include "src/core/plain_fields.hpp"

namespace yonder::core {

// Of a start: u64 worker (from schema 5 on). Of what has a body: identity, function, key (from schema 2 on),
// u64 size of the frame's body, u32 buffers, u64 size of each, header.
std::string encode_record(out::append const& record) {
  std::string text;
  if (!record.body) {
    if (record.what == out::append::kind::started && record.worker != 0) put(text, record.worker);
    return text;
  }
  put_text(text, record.identity);
  put_text(text, record.function);
  put_text(text, record.key);
  auto const& message = *record.body;
  put(text, std::uint64_t{message.body.size()});
  put(text, static_cast<std::uint32_t>(message.buffers.size()));
  for (auto const& one : message.buffers) put(text, std::uint64_t{one.size});
  auto head = message.head;
  head.buffer_count = static_cast<std::uint32_t>(message.buffers.size());
  auto const coded = encode_header(head, message.metadata());
  text.append(reinterpret_cast<char const*>(coded.data()), coded.size());
  return text;
}

bool decode_record(std::span<std::byte const> bytes, recovered_record& record, std::uint16_t schema) {
  if (bytes.empty()) return true;
  field_reader from(bytes);
  if (schema > 4 && record.what == out::append::kind::started)
    return from.take(record.worker) && from.left() == 0;
  std::uint64_t size = 0;
  std::uint32_t buffers = 0;
  if (!from.take_text(record.identity) || !from.take_text(record.function) ||
      (schema > 1 && !from.take_text(record.key)) || !from.take(size, buffers) ||
      buffers > from.left() / sizeof(std::uint64_t))
    return false;
  std::vector<std::uint64_t> sizes(buffers);
  for (auto& one : sizes)
    if (!from.take(one)) return false;
  auto left = bytes.last(from.left());
  if (left.size() < header_size || size > left.size() - header_size) return false;
  auto& message = record.body.emplace();
  if (decode_header(left.first(header_size + size), message.head) != frame_fault::none ||
      message.head.buffer_count != buffers)
    return false;
  message.body = byte_buffer::copy_of(left.subspan(header_size, size));
  left = left.subspan(header_size + size);
  for (auto const one : sizes) {
    if (one > left.size()) return false;
    message.buffers.push_back(detail::owned_copy(left.first(one)));
    left = left.subspan(one);
  }
  return left.empty();
}

}  // namespace yonder::core
