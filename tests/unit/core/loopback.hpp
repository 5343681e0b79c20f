// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/client.hpp"
#include "src/core/hub.hpp"
#include "src/core/items.hpp"
#include "src/core/metadata.hpp"
#include "src/core/worker.hpp"

#include <doctest/doctest.h>

#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

// One hub with its clients and workers, joined by queues that the test pumps. Nothing is lost here: faults
// are the simulator's.
namespace yonder::core::test {

inline byte_buffer bytes_of(std::string_view text) {
  byte_buffer made;
  made.append(text.data(), text.size());
  return made;
}

inline std::string text_of(std::span<std::byte const> bytes) {
  return {reinterpret_cast<char const*>(bytes.data()), bytes.size()};
}

inline byte_buffer bytes_of_hex(std::string_view digits) {
  byte_buffer made;
  auto const value = [](char one) { return one <= '9' ? one - '0' : one - 'a' + 10; };
  for (std::size_t i = 0; i + 1 < digits.size(); i += 2)
    *made.extend(1) = static_cast<std::byte>(16 * value(digits[i]) + value(digits[i + 1]));
  return made;
}

// What the transport does: header and body to bytes and back.
inline frame through_the_wire(frame const& message) {
  auto const wire = encode_header(message.head, message.metadata());
  byte_buffer part;
  part.append(wire.data(), wire.size());
  part.append(message.body.data(), message.body.size());
  frame received;
  REQUIRE(decode_header(part, received.head) == frame_fault::none);
  received.body = byte_buffer::copy_of(part.bytes().subspan(header_size));
  received.buffers = message.buffers;
  return received;
}

struct log_entry {
  char from;  // c, h or w
  header head;
};

class loopback {
 public:
  struct client_end {
    std::unique_ptr<client> core;
    std::string identity;
    bool is_operator = false;
    bool may_call = true;
    peer_id peer = 0;
    bool connected = false;
    std::map<std::uint64_t, outcome> outcomes;
    std::vector<frame> late;  // results that nobody waited for, with references
    std::vector<std::string> notices;
    std::map<std::uint64_t, std::vector<std::string>> items;  // of streams
    std::map<std::uint64_t, stream_level> allowed;            // of what it feeds
    std::map<std::uint64_t, std::vector<progress_report>> progress;
  };
  struct worker_end {
    std::unique_ptr<worker> core;
    peer_id peer = 0;
    std::uint64_t start = 0;
    std::uint64_t session = 0;
    bool connected = false;
    std::deque<out::run> runs;
    std::vector<attempt_key> stops;
    std::map<std::uint64_t, stream_level> allowed;
    std::vector<std::string> fed;
    bool feed_ended = false;
    std::optional<out::exit> exited;
  };

  explicit loopback(hub_config config = {}, bool reliable = true)
      : reliable_(reliable), config_(config), hub_(std::make_unique<core::hub>(std::move(config), now)) {}

  static std::vector<function_info> offers() {
    return {{"echo", 7, "text -> text"}, {"other", 8, "number -> number"}};
  }

  client_end& add_client(client_config config = {}, std::string identity = {}, bool is_operator = false) {
    config.session = ++sessions_;
    if (config.functions.empty()) config.functions = {{"echo", 7, "text -> text"}};
    auto& end = *clients.emplace_back(std::make_unique<client_end>());
    end.core = std::make_unique<client>(std::move(config));
    end.identity = std::move(identity);
    end.is_operator = is_operator;
    connect(end);
    pump();
    return end;
  }

  void connect(client_end& end) {
    end.peer = ++peers_;
    end.connected = true;
    hub_->connected(now, end.peer,
                    {.reliable = reliable_,
                     .identity = end.identity,
                     .is_operator = end.is_operator,
                     .may_call = end.may_call,
                     .max_jobs = max_jobs,
                     .max_gpus = max_gpus},
                    out_);
    carry_out_hub();
    end.core->connected(now, end.peer, reliable_, out_);
    carry_out(end);
  }

  worker_end& add_worker(std::vector<function_info> functions = offers(), std::uint64_t start = 0,
                         frame_limits limits = {}, std::uint32_t concurrency = 1, predecessor before = {}) {
    worker_config config;
    config.predecessor = std::move(before);
    config.concurrency = concurrency;
    config.limits = limits;
    config.session = ++sessions_;
    config.name = "worker-" + std::to_string(config.session);
    config.functions = std::move(functions);
    config.made_of = made_of;
    if (allocation != never) config.ends_at = now + allocation;
    auto& end = *workers.emplace_back(std::make_unique<worker_end>());
    end.core = std::make_unique<worker>(std::move(config), now);
    end.start = start;
    end.session = sessions_;
    connect(end);
    pump();
    return end;
  }

  // Another one in the place of `gone`, which ended without a word.
  worker_end& replace(worker_end& gone, predecessor how) {
    gone.connected = false;
    how.session = gone.session;
    return add_worker(offers(), 0, {}, 1, std::move(how));
  }

  void connect(worker_end& end) {
    end.peer = ++peers_;
    end.connected = true;
    hub_->connected(now, end.peer, {reliable_, end.start}, out_);
    carry_out_hub();
    end.core->connected(now, end.peer, reliable_, out_);
    carry_out(end);
  }

  call_id submit(client_end& from, std::string_view payload, call_policy policy = {},
                 std::string_view function = "echo", std::uint64_t signature = 7, std::string_view needs = {},
                 attempt_key const& parent = {}, batch_policy const* batching = nullptr,
                 call_turn const& turn = {}, std::optional<stream_terms> stream = {}, bool feeds = false,
                 std::vector<awaited_argument> const& arguments = {}) {
    call_spec spec;
    spec.stream = stream;
    spec.feeds = feeds;
    spec.parent = parent;
    spec.function = function;
    spec.signature = signature;
    spec.policy = policy;
    byte_buffer body;
    begin_call(body, function, policy, traceparent);
    if (parent.attempt != 0) write_parent(body, parent);
    write_requirements(body, needs);
    write_turn(body, turn);
    if (pinned) write_pinned(body, *pinned);
    if (batching != nullptr) write_batching(body, *batching);
    if (stream) write_stream(body, *stream);
    if (!arguments.empty()) write_arguments(body, arguments);
    spec.message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    body.append(payload.data(), payload.size());
    spec.message.body = std::move(body);
    auto const id = from.core->submit(now, std::move(spec), out_);
    carry_out(from);
    pump();
    return id;
  }

  call_id submit(client_end& from, std::string_view payload, call_turn const& turn, call_policy policy = {},
                 std::string_view function = "echo", attempt_key const& parent = {}) {
    return submit(from, payload, policy, function, function == "echo" ? 7 : 8, {}, parent, nullptr, turn);
  }

  // What the task of `by` calls, of whose process `from` is the client.
  call_id call_within(worker_end& by, client_end& from, std::string_view payload, call_policy policy = {}) {
    REQUIRE_FALSE(by.runs.empty());
    return submit(from, payload, policy, "echo", 7, {}, by.runs.front().key);
  }
  // That task waits, or goes on.
  void wait_within(worker_end& by, client_end& from) {
    from.core->waits(now, by.runs.front().key, out_);
    carry_out(from);
    pump();
  }
  void go_on_within(worker_end& by, client_end& from) {
    from.core->goes_on(now, by.runs.front().key, out_);
    carry_out(from);
    pump();
  }

  void cancel(client_end& from, call_id call) {
    CHECK(from.core->cancel(now, call, out_));
    carry_out(from);
    pump();
  }

  // --- streams

  // Of a task that produces one, to a reader who takes so much.
  call_id read(client_end& from, stream_level const& window, call_policy policy = {}) {
    return submit(from, "", policy, "echo", 7, {}, {}, nullptr, {}, stream_terms{window, {}});
  }
  // The running attempt's items from number `first` on, in one frame.
  void produce(worker_end& by, std::uint64_t first, std::vector<std::string> const& values) {
    REQUIRE_FALSE(by.runs.empty());
    std::vector<std::uint32_t> sizes;
    std::string all;
    for (auto const& value : values) {
      sizes.push_back(static_cast<std::uint32_t>(value.size()));
      all += value;
    }
    CHECK(by.core->produced(now, by.runs.front().key, first, sizes, std::as_bytes(std::span(all)), {}, out_));
    carry_out(by);
    pump();
  }
  void finish_stream(worker_end& by, std::uint64_t items) {
    REQUIRE_FALSE(by.runs.empty());
    auto const key = by.runs.front().key;
    by.runs.pop_front();
    by.core->finished(now, key, items, out_);
    carry_out(by);
    pump();
  }
  void allow(client_end& from, call_id call, stream_level const& level) {
    from.core->allow(now, call, level, out_);
    carry_out(from);
    pump();
  }
  void take_input(worker_end& by, stream_level const& level) {
    by.core->takes(now, by.runs.front().key, level, out_);
    carry_out(by);
    pump();
  }
  // The running attempt has had so many items of it, and waits.
  void wait_for_input(worker_end& by, std::uint64_t items) {
    by.core->waits_for_input(now, by.runs.front().key, items, out_);
    carry_out(by);
    pump();
  }
  bool feed(client_end& from, call_id call, std::string const& value) {
    std::uint32_t const size = static_cast<std::uint32_t>(value.size());
    auto const fed = from.core->feed(now, call, {&size, 1}, std::as_bytes(std::span(value)), {}, out_);
    carry_out(from);
    pump();
    return fed;
  }
  void end_feed(client_end& from, call_id call) {
    from.core->end_feed(now, call, out_);
    carry_out(from);
    pump();
  }

  // How far the running attempt's task is.
  void report(worker_end& by, progress_report const& so_far) {
    REQUIRE_FALSE(by.runs.empty());
    report(by, by.runs.front().key, so_far);
  }
  void report(worker_end& by, attempt_key const& key, progress_report const& so_far) {
    by.core->progressed(now, key, so_far, out_);
    carry_out(by);
    pump();
  }

  // What runs prints.
  void print(worker_end& by, std::string_view text, std::uint64_t skipped) {
    REQUIRE_FALSE(by.runs.empty());
    auto const& run = by.runs.front();
    auto const count = run.items.empty() ? 1 : static_cast<std::uint32_t>(run.items.size());
    CHECK(by.core->printed(now, run.key, count, text, skipped, true, out_));
    carry_out(by);
    pump();
  }
  // The worker does, while nothing runs.
  void print_idle(worker_end& by, std::string_view text) {
    CHECK(by.core->printed(now, {}, 1, text, 0, false, out_));
    carry_out(by);
    pump();
  }

  // The worker's running attempt returns `text`.
  void finish(worker_end& by, std::string_view text) { finish(by, 0, text); }

  void hold(std::uint64_t start, std::string const& why) {
    hub_->worker_held(now, start, why, out_);
    carry_out_hub();
    pump();
  }

  // The same of the one that began as number `place` of those that run.
  void finish(worker_end& by, std::size_t place, std::string_view text) {
    REQUIRE(place < by.runs.size());
    auto const key = by.runs[place].key;
    by.runs.erase(by.runs.begin() + static_cast<std::ptrdiff_t>(place));
    frame value;
    value.body = bytes_of(text);
    by.core->finished(now, key, std::move(value), out_);
    carry_out(by);
    pump();
  }

  // One item of a run.
  void finish(worker_end& by, attempt_key const& key, std::string_view text) {
    frame value;
    value.body = bytes_of(text);
    by.core->finished(now, key, std::move(value), out_);
    carry_out(by);
    pump();
  }
  void finish(worker_end& by, attempt_key const& key, failure error) {
    by.core->finished(now, key, std::move(error), out_);
    carry_out(by);
    pump();
  }

  void finish(worker_end& by, frame value) {
    REQUIRE_FALSE(by.runs.empty());
    auto const key = by.runs.front().key;
    by.runs.pop_front();
    by.core->finished(now, key, std::move(value), out_);
    carry_out(by);
    pump();
  }

  void finish(worker_end& by, failure error) {
    REQUIRE_FALSE(by.runs.empty());
    auto const key = by.runs.front().key;
    by.runs.pop_front();
    by.core->finished(now, key, std::move(error), out_);
    carry_out(by);
    pump();
  }

  void drain(worker_end& end) {
    end.core->drain(now, out_);
    carry_out(end);
    pump();
  }

  // SIGTERM; it is ended after `left` at the latest.
  void tell_of_end(worker_end& end, duration left) {
    end.core->ends(now, now + left, out_);
    carry_out(end);
    pump();
  }

  void lose(worker_end& end, peer_loss loss = {}) {
    end.connected = false;
    hub_->lost(now, end.peer, std::move(loss), out_);
    carry_out_hub();
    pump();
  }

  void lose(client_end& end) {
    end.connected = false;
    hub_->lost(now, end.peer, {}, out_);
    carry_out_hub();
    end.core->lost(now, end.peer, true, errc::disconnected, "gone", out_);
    carry_out(end);
    pump();
  }

  // Ends the hub in good order; another one, which knows nothing, stands where it stood.
  void restart_hub() {
    hub_->shutdown(now, out_);
    carry_out_hub();
    pump();
    config_.seed += 1;
    hub_ = std::make_unique<core::hub>(config_, now);
  }

  // What a peer sends that no core of ours would.
  void inject(peer_id from, frame message) {
    hub_->receive(now, from, std::move(message), out_);
    carry_out_hub();
    pump();
  }

  // Lets time pass, ticking each core whenever it wants to be.
  void wait(duration time) {
    auto const until = now + time;
    for (pump(); next_deadline() <= until; pump()) {
      now = std::max(now, next_deadline());
      tick();
    }
    now = until;
  }

  void tick() {
    hub_->tick(now, out_);
    carry_out_hub();
    for (auto& end : clients) {
      end->core->tick(now, out_);
      carry_out(*end);
    }
    for (auto& end : workers) {
      end->core->tick(now, out_);
      carry_out(*end);
    }
    pump();
  }

  time_point next_deadline() const {
    auto next = hub_->next_deadline();
    for (auto const& end : clients) next = std::min(next, end->core->next_deadline());
    for (auto const& end : workers) next = std::min(next, end->core->next_deadline());
    return next;
  }

  void pump() {
    while (!in_flight_.empty()) {
      auto next = std::move(in_flight_.front());
      in_flight_.pop_front();
      deliver(std::move(next));
    }
  }

  void carry_out(client_end& end) {
    for (auto& one : out_) {
      if (auto* const send = std::get_if<out::send>(&one); send != nullptr && end.connected) post('c', *send);
      if (auto* const said = std::get_if<out::notice>(&one)) end.notices.push_back(std::move(said->text));
      if (auto* const done = std::get_if<out::completed>(&one)) {
        CHECK(end.outcomes.emplace(done->call.number, std::move(done->result)).second);
      }
      if (auto* const came = std::get_if<out::came_late>(&one)) end.late.push_back(std::move(came->result));
      if (auto* const came = std::get_if<out::stream_arrived>(&one))
        note_items(came->items, end.items[came->key.call.number]);
      if (auto* const told = std::get_if<out::stream_allowed>(&one))
        end.allowed[told->key.call.number] = told->level;
      if (auto* const told = std::get_if<out::progressed>(&one))
        end.progress[told->call.number].push_back(told->report);
    }
    out_.clear();
  }

  // What the hub has said in a step of the test's own.
  void carry_out_all() {
    carry_out_hub();
    pump();
  }

  core::hub& hub() { return *hub_; }
  core::outputs& scratch() { return out_; }

  time_point now = 1'000 * second;
  duration allocation = never;          // of workers that are added
  program_build made_of;                // likewise
  std::optional<std::uint64_t> pinned;  // calls say that they ask for this build
  std::vector<std::unique_ptr<client_end>> clients;
  std::vector<std::unique_ptr<worker_end>> workers;
  std::uint32_t max_jobs = 0, max_gpus = 0;  // of the credentials of clients that connect
  std::vector<std::uint64_t> starts;
  std::vector<out::start_worker> grants;  // the same
  int observations = 0;
  std::vector<std::string> notices;
  std::vector<out::kill_worker> kills;
  std::vector<out::close> closes;
  std::vector<log_entry> log;
  std::string traceparent;  // of the calls that are submitted
  std::vector<out::traced> traced;

 private:
  struct parcel {
    bool to_hub;
    peer_id peer;
    frame message;
  };

  void post(char from, out::send& send) {
    log.push_back({from, send.head});
    in_flight_.push_back({from != 'h', send.peer, through_the_wire(send.message())});
  }

  void carry_out_hub() {
    for (auto& one : out_) {
      if (auto* const send = std::get_if<out::send>(&one)) post('h', *send);
      if (auto* const start = std::get_if<out::start_worker>(&one)) {
        starts.push_back(start->start);
        grants.push_back(*start);
      }
      if (std::holds_alternative<out::observe_machine>(one)) ++observations;
      if (auto* const said = std::get_if<out::traced>(&one)) traced.push_back(std::move(*said));
      if (auto* const said = std::get_if<out::notice>(&one)) notices.push_back(std::move(said->text));
      if (auto* const kill = std::get_if<out::kill_worker>(&one)) kills.push_back(*kill);
      if (auto* const close = std::get_if<out::close>(&one)) closes.push_back(*close);
    }
    out_.clear();
  }

  void carry_out(worker_end& end) {
    for (auto& one : out_) {
      if (auto* const send = std::get_if<out::send>(&one); send != nullptr && end.connected) post('w', *send);
      if (auto* const run = std::get_if<out::run>(&one)) end.runs.push_back(std::move(*run));
      if (auto* const stop = std::get_if<out::stop_requested>(&one)) end.stops.push_back(stop->key);
      if (auto* const exit = std::get_if<out::exit>(&one)) end.exited = *exit;
      if (auto* const told = std::get_if<out::stream_allowed>(&one))
        end.allowed[told->key.call.number] = told->level;
      auto* const came = std::get_if<out::stream_arrived>(&one);
      if (came != nullptr && came->ended) end.feed_ended = true;
      if (came != nullptr && !came->ended) note_items(came->items, end.fed);
    }
    out_.clear();
  }

  static void note_items(frame const& message, std::vector<std::string>& seen) {
    packed_items items;
    REQUIRE(read_items(message, items));
    std::size_t offset = 0;
    for (std::uint32_t i = 0; i < items.count; ++i) {
      auto const size = items.sizes == nullptr ? message.payload().size() : items.size_of(i, 1);
      seen.push_back(text_of(message.payload().subspan(offset, size)));
      offset += size;
    }
  }

  void deliver(parcel next) {
    if (next.to_hub) {
      hub_->receive(now, next.peer, std::move(next.message), out_);
      return carry_out_hub();
    }
    for (auto& end : clients) {
      if (end->peer != next.peer || !end->connected) continue;
      end->core->receive(now, next.peer, std::move(next.message), out_);
      return carry_out(*end);
    }
    for (auto& end : workers) {
      if (end->peer != next.peer || !end->connected) continue;
      end->core->receive(now, next.peer, std::move(next.message), out_);
      return carry_out(*end);
    }
  }

  bool reliable_;
  hub_config config_;
  std::unique_ptr<core::hub> hub_;
  outputs out_;
  std::deque<parcel> in_flight_;
  std::uint64_t sessions_ = 100;
  peer_id peers_ = 0;
};

}  // namespace yonder::core::test
