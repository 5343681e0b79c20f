// SPDX-License-Identifier: Apache-2.0
#include "src/core/assignment_queue.hpp"

#include "src/core/check.hpp"
#include "src/core/link.hpp"
#include "src/core/metadata.hpp"
#include "src/core/transfer.hpp"

namespace yonder::core {

bool assignment_queue::push(time_point now, frame&& message) {
  call_message call;
  packed_items items;
  auto const& head = message.head;
  if (!read_call(message.metadata(), call) || !read_items(message, items)) return false;
  auto& one = frames_.push_back();
  one.key = {head.call, head.attempt, head.epoch};
  one.sequence = head.sequence;
  one.info = {call.function, from_remaining(head.remaining_us, now)};
  one.items = items;
  one.as_one = call.batching.max_items != 0 && items.count > 1;
  one.left = items.count;
  auto const& policy = call.policy;
  one.once = (policy.durable || !call.idempotency.key.empty()) && !policy.idempotent && policy.retries == 0;
  one.stream = call.stream;
  one.message = std::move(message);
  if (items.count > 1) share_body(one.message);
  items_ += items.count;
  return true;
}

attempt_key assignment_queue::key_of(assigned const& one, std::uint32_t item) {
  auto key = one.key;
  key.call.number += item;
  return key;
}

// To the first item that waits, if there is one.
void assignment_queue::skip_gone(assigned& one) {
  if (one.left == 0) return;
  while (!one.waits(one.next)) {
    one.offset += one.items.size_of(one.next, 1);
    ++one.next;
  }
}

void assignment_queue::give_up(assigned& one, std::uint32_t first, std::uint32_t count) {
  YONDER_CHECK(one.left >= count && items_ >= count, "more is handed back than waits");
  if (one.left == count) {  // nobody asks for any of them again
    one.next = one.items.count;
  } else {
    if (one.gone.empty()) one.gone.resize(one.items.count);
    for (auto item = first; item < first + count; ++item) one.gone[item] = true;
  }
  one.left -= count;
  items_ -= count;
}

// Those that are left, as one run.
assignment_queue::next_item assignment_queue::take_all() {
  auto& one = frames_.front();
  next_item taken;
  taken.packed = taken.last = true;
  auto& run = taken.run;
  run.key = key_of(one, one.next);
  run.mark = std::uint64_t{one.sequence} << 32 | one.items.count;
  run.signature = one.message.head.signature;
  run.deadline = one.info.deadline;
  byte_buffer body;
  auto const metadata = one.message.metadata();
  body.append(metadata.data(), metadata.size());
  auto const name = reinterpret_cast<std::byte const*>(one.info.function.data()) - metadata.data();
  for (auto offset = one.offset; one.left != 0; skip_gone(one), offset = one.offset) {
    auto const size = one.items.size_of(one.next, 1);
    auto const part = one.message.payload().subspan(offset, size);
    body.append(part.data(), part.size());
    run.items.push_back({key_of(one, one.next), size});
    one.offset += size;
    ++one.next;
    --one.left;
    --items_;
  }
  run.message.head = one.message.head;
  run.message.head.call = run.key.call;
  run.message.body = std::move(body);
  run.function = {reinterpret_cast<char const*>(run.message.metadata().data()) + name,
                  one.info.function.size()};
  row_.reset();
  frames_.pop_front();
  return taken;
}

assignment_queue::next_item assignment_queue::take(std::uint32_t most) {
  YONDER_CHECK(!frames_.empty() && frames_.front().left != 0 && items_ != 0, "nothing waits to be run");
  auto& one = frames_.front();
  if (one.as_one && one.left > 1) return take_all();
  next_item taken;
  taken.packed = one.items.count > 1;
  taken.once = one.once;
  auto const count = one.gone.empty() ? std::min(most, one.left) : 1;
  row_.reset();
  if (count > 1) row_ = row_of(one, count);
  one.left -= count;
  items_ -= count;
  taken.last = one.left == 0;
  auto& run = taken.run;
  run.key = key_of(one, one.next);
  run.mark = std::uint64_t{one.sequence} << 32 | (one.next + 1);
  run.function = one.info.function;
  run.signature = one.message.head.signature;
  run.deadline = one.info.deadline;
  run.count = count;
  run.stream = one.stream;
  if (count > 1) run.sizes = one.items.sizes + one.next * sizeof(std::uint32_t);
  if (taken.packed)
    run.message = take_part(one, count);
  else
    run.message = std::move(one.message);
  if (taken.last) frames_.pop_front();
  return taken;
}

// Their arguments, in memory that the frame's items share.
frame assignment_queue::take_part(assigned& one, std::uint32_t count) {
  frame part;
  part.head = one.message.head;
  part.head.call.number += one.next;
  part.head.metadata_size = 0;
  auto const size = one.items.size_of(one.next, count);
  part.body = frame_body(one.message.payload().subspan(one.offset, size), one.message.body.owner());
  one.offset += size;
  one.next += count;
  skip_gone(one);
  return part;
}

// What would wait if only the next `count` items did: their frame may be handed back, or its rest, before
// they are.
assignment_queue::assigned assignment_queue::row_of(assigned const& one, std::uint32_t count) {
  assigned row;
  row.key = one.key;
  row.sequence = one.sequence;
  row.info = one.info;
  row.message = {one.message.head, one.message.body.duplicate(), {}};
  row.items = one.items;
  row.as_one = one.as_one;
  row.once = one.once;
  row.next = one.next;
  row.offset = one.offset;
  row.left = count;
  return row;
}

void assignment_queue::put_back(std::uint32_t count) {
  YONDER_CHECK(row_ && count <= row_->left, "more is put back than was taken");
  auto const end = row_->next + row_->left;
  row_->left -= count;
  items_ += count;
  if (!frames_.empty() && frames_.front().key == row_->key && frames_.front().next == end) {
    auto& one = frames_.front();
    one.next -= count;
    one.offset -= one.items.size_of(one.next, count);
    one.left += count;
    return;
  }
  auto rest = row_of(*row_, count);
  rest.next = end - count;
  rest.offset += rest.items.size_of(row_->next, rest.next - row_->next);
  if (end < rest.items.count) {
    rest.gone.resize(rest.items.count);
    for (auto item = end; item < rest.items.count; ++item) rest.gone[item] = true;
  }
  frames_.insert(0, std::move(rest));
}

}  // namespace yonder::core
