// SPDX-License-Identifier: Apache-2.0
//
// What the templates of yonder/stream.hpp call.
#include <mutex>
#include <string>
#include <utility>

#include "src/core/little_endian.hpp"
#include "src/core/metadata.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/engine.hpp"
#include "yonder/detail/stream_poll.hpp"
#include "yonder/detail/streaming.hpp"
#include "yonder/error.hpp"

namespace yonder::detail {
namespace {

constexpr core::stream_level default_window{1024, std::uint64_t{4} << 20};

// `window`: of its reader; null: nothing comes out. `feeds`: its caller feeds it.
call_ref submit_with(engine_ref const& where, task_entry const& task, options const& settings,
                     std::string_view needs, encoded&& arguments, core::stream_level const* window,
                     bool feeds) {
  outgoing with;
  take_references(with);
  auto call = begin_call(task, settings, needs);
  call.values = std::move(with.values);
  auto& head = call.content.head;
  if (window != nullptr) core::write_stream(head, {core::stream_reader(*window, {}).allowed(), {}});
  call.metadata_size = head.size();
  head.append(arguments.head.data(), arguments.head.size());
  call.content.buffers = std::exchange(arguments, {}).buffers;
  return where->is_ours() ? where->submit_stream(task, settings, std::move(call), window, feeds)
                          : submit(where, task, settings, std::move(call), departure::now);
}

}  // namespace

stream_part::stream_part(std::span<std::byte const> payload, std::byte const* sizes, std::uint32_t count,
                         std::span<buffer const> buffers, std::shared_ptr<void const> owner) noexcept
    : payload_(payload), sizes_(sizes), left_(count), buffers_(buffers), owner_(std::move(owner)) {}

stream_part::item stream_part::next() noexcept {
  auto const size = sizes_ == nullptr ? payload_.size() : core::load_le<std::uint32_t>(sizes_);
  item const taken{payload_.first(size), buffers_};
  payload_ = payload_.subspan(size);
  if (sizes_ != nullptr) sizes_ += sizeof(std::uint32_t);
  --left_;
  return taken;
}

struct stream_call::parts {
  engine_ref where;
  task_entry const& task;
  options settings;
  std::string needs;
  encoded arguments;
  std::unique_ptr<item_source> input;
  core::stream_level window = default_window;
  call_ref call{};
  encoded item{};
  enum class ready { none, item, end } next_input = ready::none;  // made of the input, and not taken yet
  std::mutex mutex{};                                             // of what other threads ask
  bool cancelled = false;                                         // perhaps before there was a call

  void submit(bool reads) {
    auto made = submit_with(where, task, settings, needs, std::move(arguments), reads ? &window : nullptr,
                            input != nullptr);
    std::lock_guard const held(mutex);
    call = std::move(made);
    if (cancelled) detail::cancel(*call);
  }

  void feed_next() {
    if (next_input == ready::none) {
      item.head.clear();
      item.buffers.clear();
      next_input = input->next(item) ? ready::item : ready::end;
    }
    if (next_input == ready::item) {
      if (where->feed(*call, item)) next_input = ready::none;
    } else if (where->end_feed(*call)) {
      input.reset();
    }
  }

  // True: `part` has the next items. False: the call has ended.
  bool advance(stream_part& part) {
    using event = engine::stream_event;
    while (where->is_ours()) {
      auto const what = where->wait_for_stream(*call, input != nullptr, part);
      if (what == event::items) return true;
      if (what == event::over) break;
      feed_next();
    }
    return false;
  }
};

stream_call::stream_call(engine_ref where, task_entry const& task, options const& settings,
                         std::string_view needs, encoded&& arguments, std::unique_ptr<item_source> input)
    : parts_(new parts{std::move(where), task, settings, std::string(needs), std::move(arguments),
                       std::move(input)}) {}
stream_call::stream_call(stream_call&&) noexcept = default;

stream_call::~stream_call() { cancel(); }

stream_call::parts& stream_call::its() const {
  if (!parts_) throw_moved_from("stream");
  return *parts_;
}

void stream_call::set_window(stream_window const& window) {
  if (window.items != 0) its().window.items = window.items;
  if (window.bytes != 0) its().window.bytes = window.bytes;
}

void stream_call::begin() {
  if (its().call)
    throw_error({.code = errc::already_read,
                 .message = "a stream is read once: call stream() again, or keep its items",
                 .task = std::string(parts_->task.name)});
  parts_->submit(true);
}

bool stream_call::next(stream_part& part) {
  if (its().advance(part)) return true;
  (void)take_reply(*parts_->call);
  return false;
}

call_ref stream_call::run() {
  its().submit(false);
  stream_part nothing;
  parts_->advance(nothing);
  return parts_->call;
}

void stream_call::throw_undecodable(codec_error const& fault, std::uint64_t item) const {
  detail::cancel(*parts_->call);
  throw_error({.code = fault.code(),
               .message = "item " + std::to_string(item) +
                          " of the stream, from 0, does not decode: " + fault.details().message,
               .task = std::string(parts_->task.name)});
}

void stream_call::cancel() noexcept {
  if (!parts_) return;
  std::lock_guard const held(parts_->mutex);
  parts_->cancelled = true;
  if (parts_->call) detail::cancel(*parts_->call);
}

id_pair stream_call::id() const {
  if (!parts_) return {0, 0};
  std::lock_guard const held(parts_->mutex);
  return parts_->call ? id_of(*parts_->call) : id_pair{0, 0};
}

decode_limits stream_call::limits() const { return its().where->decoding(); }

call_ref submit_stream(engine_ref const& where, task_entry const& task, options const& settings,
                       std::string_view needs, encoded&& arguments) {
  return submit_with(where, task, settings, needs, std::move(arguments), &default_window, false);
}

void tell_of_items(call_state& call, void (*told)(void*), void* argument) {
  if (call.where()->is_ours()) call.where()->tell_of_items(call, {told, argument, true});
}

decode_limits decoding_limits(call_state const& call) { return call.where()->decoding(); }

bool take_items(call_state& call, stream_part& part) {
  return call.where()->is_ours() && call.where()->take_items(call, part);
}

task_streams* current_streams() noexcept {
  auto const* const call = runtime_detail::current_call();
  return call != nullptr ? call->streams() : nullptr;
}

void throw_no_reader() {
  throw_error({.code = errc::signature_mismatch,
               .message = "this task streams, and was not called by stream() or with a range"});
}

}  // namespace yonder::detail
