// SPDX-License-Identifier: Apache-2.0
#include "src/core/client_streams.hpp"

#include "src/core/pending_calls.hpp"
#include "src/core/words.hpp"

#include <utility>

namespace yonder::core {

void client_streams::begin(std::uint64_t number, std::uint64_t cookie, stream_terms const& terms) {
  auto& made = all_[number];
  made.cookie = cookie;
  made.reads = true;
  made.output = {terms.allowed, terms.begin};
}

void client_streams::begin_feed(std::uint64_t number, std::uint64_t cookie) { all_[number].cookie = cookie; }

void client_streams::say(time_point now, std::uint64_t number, frame&& message, outputs& out) {
  message.head.call = {session_, number};
  auto const head = message.head;
  hub_.send(now, head, frame_ref(std::move(message)), never, out);
}

void client_streams::take(frame&& message, outputs& out) {
  auto* const one = find(message.head.call.number);
  if (one == nullptr) return;  // it has ended
  if (message.head.type == frame_type::stream_items) return take_items(*one, std::move(message), out);
  stream_level level;
  if (!read_stream_credit(message, level) || !one->input.allow(level)) return hub_.violated();
  out.emplace_back(out::stream_allowed{{message.head.call}, one->cookie, one->input.allowed});
}

void client_streams::take_progress(frame const& message, pending const* call, outputs& out) {
  progress_report report;
  if (!read_progress(message, report)) return hub_.violated();
  if (call == nullptr) return;  // it has ended
  auto const which = static_cast<std::uint32_t>(message.head.call.number - call->number);
  out.emplace_back(out::progressed{message.head.call, call->cookie_of(which), std::move(report)});
}

void client_streams::take_items(stream& one, frame&& message, outputs& out) {
  stream_frame said;
  if (!one.reads || !read_stream_items(message, said) || !one.output.take(said)) return hub_.violated();
  out.emplace_back(out::stream_arrived{{message.head.call}, one.cookie, std::move(message)});
}

bool client_streams::ends(frame const& result) const {
  auto const found = all_.find(result.head.call.number);
  if (found == all_.end() || !found->second.reads) return read_nothing(result);
  std::uint64_t items = 0;
  return read_position(result, items) && items == found->second.output.passed.items;
}

void client_streams::allow(time_point now, std::uint64_t number, stream_level const& level, bool given,
                           outputs& out) {
  auto* const one = find(number);
  if (one == nullptr || !one->output.allow(level) || !given) return;
  say(now, number, make_stream_credit(level), out);
}

bool client_streams::feed(time_point now, std::uint64_t number, std::span<std::uint32_t const> sizes,
                          std::span<std::byte const> values, std::vector<buffer>&& buffers,
                          std::string& excess, outputs& out) {
  auto* const one = find(number);
  if (one == nullptr || one->input.waits()) return false;
  auto message = make_stream_items(one->input.passed.items, sizes, values, std::move(buffers));
  if (!within(hub_.hub_limits(), message)) {
    excess = excess_in_words(message, hub_.hub_limits(), "an item of the input takes", "hub");
    return false;
  }
  stream_frame said;
  if (!read_stream_items(message, said) || !one->input.take(said)) return false;
  one->fed = true;
  say(now, number, std::move(message), out);
  return true;
}

bool client_streams::end_feed(time_point now, std::uint64_t number, outputs& out) {
  auto* const one = find(number);
  if (one == nullptr || one->input.allowed == stream_level{}) return false;
  one->fed = true;
  say(now, number, make_end(frame_type::stream_end, one->input.passed.items), out);
  return true;
}

bool client_streams::may_repeat(std::uint64_t number, bool idempotent) const {
  auto const found = all_.find(number);
  if (found == all_.end()) return true;
  auto const& one = found->second;
  return !one.fed && (idempotent || !one.reads || one.output.passed.items == 0);
}

frame_ref client_streams::again(std::uint64_t number, frame_ref message, outputs& out) {
  auto* const one = find(number);
  if (one == nullptr) return message;
  if (std::exchange(one->input, {}).allowed != stream_level{})
    out.emplace_back(out::stream_allowed{{{session_, number}}, one->cookie, {}});
  if (!one->reads) return message;
  return frame_ref(with_stream(*message, {one->output.allowed, one->output.passed}));
}

}  // namespace yonder::core
