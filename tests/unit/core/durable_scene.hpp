// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/call_orders.hpp"
#include "src/core/journal_record.hpp"
#include "tests/unit/core/raw_peer.hpp"

#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

// A hub with a journal, and what its peers say of durable calls.
namespace yonder::core::test::durables {

inline peer_link const in_process{.reliable = true};
inline constexpr call_policy durable{.durable = true};
inline constexpr call_policy durable_and_repeatable{.idempotent = true, .durable = true};

inline peer_link with_key(std::string key) { return {.reliable = true, .identity = std::move(key)}; }

inline std::vector<function_info> offers_f() { return {{"f", 7, ""}}; }

inline hub_config with_journal() {
  hub_config config;
  config.journal = true;
  return config;
}

// What a journal holds: records as bytes, which a hub that is started anew is told.
struct memory_journal {
  struct line {
    out::append::kind what{};
    call_id call;
    std::uint32_t items = 1;
    std::string bytes;
    time_point written = 0;
  };
  std::vector<line> lines;
  std::uint64_t last = 0;

  // Takes what the hub has to write; returns how many records that were.
  std::size_t write(raw_hub& hub) {
    auto const records = hub.take<out::append>();
    for (auto const& one : records) {
      auto bytes = encode_record(one);
      if (one.body) {
        auto const body = one.body->body.bytes();
        bytes.append(reinterpret_cast<char const*>(body.data()), body.size());
        for (auto const& block : one.body->buffers)
          bytes.append(reinterpret_cast<char const*>(block.data), block.size);
      }
      lines.push_back({one.what, one.call, one.items, std::move(bytes), hub.now});
      CHECK(one.record == ++last);
    }
    return records.size();
  }
  std::size_t sync(raw_hub& hub) {
    std::size_t written = 0;
    for (;;) {
      auto const more = write(hub);
      written += more;
      if (more != 0) hub.core.synced(hub.now, last, hub.out);
      if (!read(hub) && more == 0) return written;
    }
  }
  // Answers what the hub wants to read, as a log does; returns how much that was.
  std::size_t read(raw_hub& hub, std::string const& fault = {}) {
    auto const wanted = hub.take<out::read>();
    for (auto const& one : wanted) {
      std::optional<recovered_record> found;
      for (auto const& said : lines) {
        auto const has = said.call.session == one.call.session && one.call.number >= said.call.number &&
                         one.call.number - said.call.number < said.items;
        if (!has || said.what == out::append::kind::started) continue;
        if (said.what == out::append::kind::forgotten)
          found.reset();
        else
          found = said_by(said);
      }
      if (!fault.empty()) found.reset();
      hub.core.read_back(hub.now, one.number, std::move(found), fault, hub.out);
    }
    reads += wanted.size();
    return wanted.size();
  }
  std::size_t reads = 0;

  static recovered_record said_by(line const& one) {
    recovered_record said;
    said.what = one.what;
    said.call = one.call;
    said.items = one.items;
    REQUIRE(decode_record(std::as_bytes(std::span(one.bytes)), said));
    return said;
  }
  void tell(raw_hub& hub, duration later = 0) {
    for (auto const& one : lines) {
      auto said = said_by(one);
      said.age = later;
      REQUIRE(hub.core.recall(hub.now, std::move(said)));
    }
    hub.core.recovered(hub.now, last, hub.out);
  }
};

inline header assigned_to(raw_peer& worker) {
  for (auto const& one : worker.received())
    if (one.head.type == frame_type::assign) return one.head;
  return {};
}

inline frame_type type_of_only(std::vector<frame> const& frames) {
  return frames.size() == 1 ? frames.front().head.type : frame_type{};
}

inline failure failure_in(frame const& message) {
  failure error;
  CHECK(read_error(message, error));
  return error;
}

inline void find(raw_peer& by, std::uint64_t number, call_id wanted) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  byte_buffer body;
  write_call(body, find_call, {.idempotent = true}, {});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  auto const id = encode_call_id(wanted);
  body.append(id.data(), id.size());
  message.body = std::move(body);
  by.say(std::move(message));
}

inline void take(raw_peer& by, call_id first, std::uint32_t count = 1) {
  auto message = make_control(frame_type::taken);
  message.head.call = first;
  set_item_count(message, count);
  by.say(std::move(message));
}

inline void call_again(raw_peer& by, std::uint64_t number, call_policy policy) {
  frame message;
  message.head.type = frame_type::call;
  message.head.flags = flag_known;
  message.head.call = {by.session, number};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", policy, {});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(1);
  message.body = std::move(body);
  by.say(std::move(message));
}

// What a peer is told by an order about a call.
inline frame answer_of(raw_peer& by, std::uint64_t number, std::string_view what, call_id meant) {
  by.received();
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  byte_buffer body;
  write_call(body, what, {}, {});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  auto const id = encode_call_id(meant);
  body.append(id.data(), id.size());
  message.body = std::move(body);
  by.say(std::move(message));
  for (auto& one : by.received())
    if (one.head.call.number == number) return std::move(one);
  return {};
}
inline text_rows rows_of(raw_peer& by, std::uint64_t number, std::string_view what, call_id meant) {
  text_rows rows;
  CHECK(decode_rows(answer_of(by, number, what, meant).payload(), rows));
  return rows;
}
inline std::string value_in(text_rows const& rows, std::string_view name) {
  for (auto const& row : rows)
    if (row.size() == 2 && row[0] == name) return row[1];
  return {};
}

// A call of "f", with what `more` writes behind its policy.
template <class More>
void call_with(raw_peer& by, std::uint64_t number, More&& more) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", {}, {});
  more(body);
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(1);
  message.body = std::move(body);
  by.say(std::move(message));
}

// A hub in which the call 1 of the session 100, or the last one before 5, is in some stage.
struct staged {
  memory_journal journal;
  raw_hub hub;
  raw_peer client;
  raw_peer boss{hub, 3, 102, {.reliable = true, .identity = "boss", .is_operator = true}};
  raw_peer worker{hub, 4, 900, in_process};
  call_id meant{100, 1};

  explicit staged(hub_config config = with_journal(), bool reliable = true)
      : hub(std::move(config)), client(hub, 2, 100, {.reliable = reliable, .identity = "one"}) {
    REQUIRE(client.hello(peer_role::client));
    REQUIRE(boss.hello(peer_role::client));
  }
  void work() { REQUIRE(worker.hello(peer_role::worker, offers_f())); }
  void answer(std::size_t payload = 3) { worker.answer(assigned_to(worker), payload); }
  void fail() { worker.fail(100, assigned_to(worker).call.number, errc::failed); }

  // "" where nothing is said of it.
  std::string state() { return value_in(rows_of(boss, 50, explain_call, meant), "state"); }
  bool is_cancelled() { return !value_in(rows_of(boss, 51, cancel_call, meant), "cancelled").empty(); }
};

// A hub with a journal, a worker and a caller.
struct scene {
  memory_journal journal;
  raw_hub hub{with_journal()};
  raw_peer worker{hub, 1, 900, in_process};
  raw_peer client{hub, 2, 100, with_key("one")};
  scene() {
    REQUIRE(worker.hello(peer_role::worker, offers_f()));
    REQUIRE(client.hello(peer_role::client));
  }
};

}  // namespace yonder::core::test::durables
