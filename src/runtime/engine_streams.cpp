// SPDX-License-Identifier: Apache-2.0
//
// The engine: calls whose tasks stream.
#include <utility>

#include "src/platform/process.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/stream_parts.hpp"

namespace yonder::detail {

using platform::now;

call_ref engine::submit_stream(task_entry const& task, options const& settings, outgoing&& call,
                               core::stream_level const* window, bool feeds) {
  auto stream = std::make_unique<call_stream>();
  if (window != nullptr) stream->reader = core::stream_reader(*window, {});
  stream->reads = window != nullptr;
  stream->feeds = feeds;
  return submit(task, settings, std::move(call), departure::now, std::move(stream));
}

// What was taken before is done with, and its reader states what it takes from now on.
void engine::allow_more(lock& held, call_state& call) {
  auto& stream = *call.stream();
  if (!stream.reader.take(std::exchange(stream.given, {})) || !stream.reads) return;
  if (call.done.load(std::memory_order_relaxed)) return;
  time_ = now();
  survive(held, [&] {
    endurance_.once(
        [&] { client_.allow(time_, call.pack->id_of(call), stream.reader.allowed(), client_due_.items()); });
    carry_out();
    flush();
  });
  wake_leader_if_needed();
}

bool engine::take_items(call_state& call, stream_part& part) {
  lock held(mutex_);
  if (call.stream() == nullptr) return false;  // refused
  allow_more(held, call);
  return take_first(*call.stream(), part);
}

bool engine::take_first(call_stream& stream, stream_part& part) {
  if (stream.inbox.empty()) return false;
  auto message = std::move(stream.inbox.front());
  stream.inbox.pop_front();
  part = runtime_detail::part_of(std::move(message), stream.given);
  return true;
}

void engine::tell_of_items(call_state& call, resumption const& listener) {
  lock const held(mutex_);
  if (call.stream() != nullptr) call.stream()->listener = listener;
}

engine::stream_event engine::wait_for_stream(call_state& call, bool may_feed, stream_part& part) {
  lock held(mutex_);
  auto is_done = [&] { return call.done.load(std::memory_order_relaxed); };
  if (call.stream() == nullptr) return stream_event::over;  // refused
  auto& stream = *call.stream();
  allow_more(held, call);
  auto const feeds = [&] { return may_feed && !stream.input.waits(); };
  lead_until(held, call, [&] { return !stream.inbox.empty() || is_done() || feeds(); });
  if (take_first(stream, part)) return stream_event::items;
  return is_done() ? stream_event::over : stream_event::wanted;
}

bool engine::feed(call_state& call, encoded& item) {
  lock held(mutex_);
  auto& input = call.stream()->input;
  auto size = item.head.size();
  for (auto const& block : item.buffers) size += block.size;
  bool taken = false;
  time_ = now();
  survive(held, [&] {
    std::uint32_t const alone = 0;  // it is one
    endurance_.once([&] {
      taken = client_.feed(time_, call.pack->id_of(call), {&alone, 1}, item.head, std::move(item.buffers),
                           client_due_.items());
      if (taken)
        input.passed = {input.passed.items + 1, input.passed.bytes + size};
      else
        input.allowed = input.passed;  // until it is asked for again
    });
    carry_out();
    flush();
  });
  wake_leader_if_needed();
  return taken;
}

bool engine::end_feed(call_state& call) {
  lock held(mutex_);
  bool taken = false;
  time_ = now();
  survive(held, [&] {
    endurance_.once([&] {
      taken = client_.end_feed(time_, call.pack->id_of(call), client_due_.items());
      if (!taken) call.stream()->input.allowed = call.stream()->input.passed;
    });
    carry_out();
    flush();
  });
  wake_leader_if_needed();
  return taken;
}

// Whoever waits for it, or for what it streams.
void engine::wake(call_state& call) {
  if (call.several_wait || call.pack->of_task)
    wake_followers();
  else if (call.waiter != nullptr)
    return call.waiter->notify_one();
  if (lead_.asleep()) poller_->ring();  // who leads may wait for it, and this is another thread's step
}

void engine::arrived(core::out::stream_arrived& items) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): the core carries it as a number
  auto* const call = reinterpret_cast<call_state*>(items.cookie);
  auto& stream = *call->stream();
  stream.inbox.push_back(std::move(items.items));
  if (stream.listener.resume != nullptr) stream.listener.resume(stream.listener.argument);
  wake(*call);
}

void engine::allowed(core::out::stream_allowed const& told) {
  // NOLINTNEXTLINE(performance-no-int-to-ptr): as above
  auto* const call = reinterpret_cast<call_state*>(told.cookie);
  call->stream()->input.allowed = told.level;
  wake(*call);
}

}  // namespace yonder::detail
