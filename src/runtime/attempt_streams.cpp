// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/attempt_streams.hpp"

#include <string>
#include <utility>

#include "src/core/items.hpp"
#include "src/platform/process.hpp"
#include "src/runtime/stream_parts.hpp"
#include "yonder/error.hpp"

namespace yonder::runtime_detail {
namespace {

using platform::now;

std::size_t bytes_of(detail::encoded const& item) {
  auto bytes = item.head.size();
  for (auto const& block : item.buffers) bytes += block.size;
  return bytes;
}

core::failure too_large(std::string message) {
  core::failure failure;
  failure.code = errc::too_large;
  failure.message = std::move(message);
  return failure;
}

}  // namespace

void attempt_streams::begin(core::out::run const& work) {
  key_ = work.key;
  active_ = true;
  trouble_.reset();
  reads_ = work.stream.has_value();
  auto const terms = work.stream.value_or(core::stream_terms{});
  skipped_ = terms.begin.items;
  output_ = {terms.allowed, terms.begin};
  packed_.clear();
  sizes_.clear();
  flushed_ = 0;
  asks_ = input_ended_ = false;
  given_ = {};
  inbox_.clear();
  came_ = 0;
}

void attempt_streams::end() noexcept {
  active_ = reads_ = false;
  inbox_.clear();
}

void attempt_streams::allow(core::stream_level const& level) {
  if (output_.allow(level)) changed_.notify_all();
}

void attempt_streams::arrived(core::frame&& items, bool ended) {
  if (ended) {
    input_ended_ = true;
  } else {
    came_ += core::read_item_count(items);
    inbox_.push_back(std::move(items));
  }
  changed_.notify_all();
}

core::time_point attempt_streams::due() const noexcept {
  return sizes_.empty() ? core::never : flushed_ + longest_delay;
}

void attempt_streams::flush() {
  if (sizes_.empty()) return;
  auto const first = output_.passed.items - sizes_.size();
  worker_.send_items(key_, first, sizes_, packed_, {});
  packed_.clear();
  sizes_.clear();
  flushed_ = now();
}

// --- the task's thread

bool attempt_streams::start() {
  std::unique_lock held(worker_.guard());
  return wait_for_reader(held);
}

// A producer computes nothing that nobody has asked for.
bool attempt_streams::wait_for_reader(std::unique_lock<std::mutex>& held) {
  if (output_.waits()) {
    flush();
    changed_.wait(held, [&] { return context_.stop_requested() || !output_.waits(); });
  }
  return !context_.stop_requested();
}

bool attempt_streams::yield(detail::encoded& item) {
  std::unique_lock held(worker_.guard());
  if (context_.stop_requested()) return false;
  auto const bytes = bytes_of(item);
  auto const alone = !item.buffers.empty() || bytes > small;
  if (alone) {
    if (!send_alone(item)) return false;
  } else {
    pack(item);
  }
  output_.passed = {output_.passed.items + 1, output_.passed.bytes + bytes};
  auto const is_full = packed_.size() >= most_packed || sizes_.size() == core::max_items;
  if (is_full || due() <= now())
    flush();
  else if (sizes_.size() == 1)
    worker_.look_again();
  return wait_for_reader(held);
}

void attempt_streams::pack(detail::encoded const& item) {
  packed_.append(item.head.data(), item.head.size());
  sizes_.push_back(static_cast<std::uint32_t>(item.head.size()));
}

bool attempt_streams::send_alone(detail::encoded& item) {
  flush();
  auto const bytes = bytes_of(item);
  auto const what = "an item of the stream takes " + std::to_string(bytes) + " bytes; ";
  if (bytes > worker_.most_bytes()) {
    trouble_ = too_large(what + "the limit is " + std::to_string(worker_.most_bytes()) +
                         " (runtime_options::max_call_bytes)");
    return false;
  }
  auto const size = static_cast<std::uint32_t>(item.head.size());
  if (worker_.send_items(key_, output_.passed.items, {&size, 1}, item.head, std::move(item.buffers)))
    return true;
  trouble_ = too_large(what + "the hub cannot receive that");
  return false;
}

bool attempt_streams::next_input(detail::stream_part& part) {
  std::unique_lock held(worker_.guard());
  if (!std::exchange(asks_, true)) {
    input_ = core::stream_reader(input_window, {});
    worker_.send_credit(key_, input_.allowed());
  } else if (input_.take(std::exchange(given_, {})) && !input_ended_) {
    worker_.send_credit(key_, input_.allowed());
  }
  auto const goes_on = [&] { return context_.stop_requested() || !inbox_.empty() || input_ended_; };
  if (!goes_on()) worker_.say_that_waits(key_, came_);
  changed_.wait(held, goes_on);
  if (context_.stop_requested())
    detail::throw_error({.code = errc::cancelled, .message = "the call ended while its task read its input"});
  if (inbox_.empty()) return false;
  auto message = std::move(inbox_.front());
  inbox_.pop_front();
  part = part_of(std::move(message), given_);
  return true;
}

}  // namespace yonder::runtime_detail
