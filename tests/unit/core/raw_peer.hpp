// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub.hpp"
#include "src/core/items.hpp"
#include "src/core/little_endian.hpp"
#include "src/core/metadata.hpp"

#include <string>
#include <vector>

// A hub and peers that say exactly what a test wants, frame by frame.
namespace yonder::core::test {

struct raw_hub {
  time_point now = 1'000 * second;
  core::hub core;
  outputs out;

  explicit raw_hub(hub_config config = {}) : core(std::move(config), now) {}

  // What the hub has sent to `peer` since it was asked last.
  std::vector<frame> sent_to(peer_id peer) {
    std::vector<frame> found;
    for (auto& one : out) {
      auto* const send = std::get_if<out::send>(&one);
      if (send == nullptr || send->peer != peer) continue;
      auto const& message = send->message();
      found.push_back({message.head, message.body.duplicate(), message.buffers});
      send->peer = 0;
    }
    return found;
  }

  template <class Output>
  std::vector<Output> take() {
    std::vector<Output> found;
    for (auto const& one : out) {
      if (auto const* const taken = std::get_if<Output>(&one)) found.push_back(*taken);
    }
    std::erase_if(out, [](auto const& one) { return std::holds_alternative<Output>(one); });
    return found;
  }

  // Lets time pass, ticking whenever the hub wants to be.
  void wait(duration time) {
    auto const until = now + time;
    while (core.next_deadline() <= until) {
      now = std::max(now, core.next_deadline());
      core.tick(now, out);
    }
    now = until;
  }
};

struct raw_peer {
  raw_hub& hub;
  peer_id id;
  std::uint64_t session;
  std::uint32_t epoch = 0;
  std::uint32_t sequence = 0;
  bool answers = true;  // a welcome
  program_build made_of{};

  raw_peer(raw_hub& at, peer_id number, std::uint64_t of, peer_link const& how = {})
      : hub(at), id(number), session(of) {
    hub.core.connected(hub.now, id, how, hub.out);
  }

  // True: the hub says welcome.
  bool hello(peer_role role, std::vector<function_info> functions = {}, std::uint32_t number = 1,
             std::uint64_t token = 0, std::uint32_t concurrency = 1) {
    hello_message said;
    said.role = role;
    said.session = session;
    said.name = "raw";
    said.start_token = token;
    said.concurrency = concurrency;
    said.functions = std::move(functions);
    said.made_of = made_of;
    auto message = make_hello(said);
    message.head.attempt = number;
    message.head.epoch = epoch;
    hub.core.receive(hub.now, id, std::move(message), hub.out);
    for (auto& one : hub.out) {
      auto* const send = std::get_if<out::send>(&one);
      if (send == nullptr || send->peer != id || send->head.type != frame_type::welcome) continue;
      if (send->head.epoch != epoch) sequence = 0;
      epoch = send->head.epoch;
      send->peer = 0;
      if (answers) acknowledge(0);
      return true;
    }
    return false;
  }

  void say(frame message) {
    message.head.epoch = epoch;
    message.head.sequence = ++sequence;
    hub.core.receive(hub.now, id, std::move(message), hub.out);
  }

  void call(std::uint64_t number, call_policy policy = {}, std::size_t payload = 1) {
    frame message;
    message.head.type = frame_type::call;
    message.head.call = {session, number};
    message.head.signature = 7;
    byte_buffer body;
    write_call(body, "f", policy, {});
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    body.extend(payload);
    message.body = std::move(body);
    say(std::move(message));
  }

  // `count` calls in one frame; each says its number.
  void batch(std::uint64_t number, std::uint32_t count, call_policy policy = {}) {
    frame message;
    message.head.type = frame_type::call;
    message.head.call = {session, number};
    message.head.signature = 7;
    byte_buffer body;
    write_call(body, "f", policy, {});
    write_items(body, std::vector<std::uint32_t>(count, 8));
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      auto const said = number + i;
      body.append(&said, sizeof said);
    }
    message.body = std::move(body);
    say(std::move(message));
  }

  // Calls from `number` on, of an attempt, end in their values, in one frame.
  void answer_items(std::uint64_t of, std::uint64_t number, std::uint32_t count, std::uint32_t attempt = 1,
                    std::uint64_t ran_us = 0) {
    frame message;
    message.head.type = frame_type::result;
    message.head.call = {of, number};
    message.head.attempt = attempt;
    message.head.remaining_us = ran_us;
    byte_buffer body;
    if (count > 1) write_items(body, std::vector<std::uint32_t>(count, 8));
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    for (std::uint32_t i = 0; i < count; ++i) {
      auto const said = number + i;
      body.append(&said, sizeof said);
    }
    message.body = std::move(body);
    say(std::move(message));
  }

  void fail(std::uint64_t of, std::uint64_t number, errc code, std::uint32_t attempt = 1,
            std::uint8_t flags = 0, std::uint32_t count = 1) {
    failure error;
    error.code = code;
    auto message = make_error(error);
    set_item_count(message, count);
    message.head.call = {of, number};
    message.head.attempt = attempt;
    message.head.flags = flags;
    say(std::move(message));
  }

  void cancel(std::uint64_t number, std::uint32_t count = 1) {
    auto message = make_control(frame_type::cancel);
    message.head.call = {session, number};
    set_item_count(message, count);
    say(std::move(message));
  }

  void answer(header const& assigned, std::size_t payload) {
    frame message;
    message.head.type = frame_type::result;
    message.head.call = assigned.call;
    message.head.attempt = assigned.attempt;
    byte_buffer body;
    body.extend(payload);
    message.body = std::move(body);
    say(std::move(message));
  }

  void acknowledge(std::uint32_t up_to) {
    auto message = make_control(frame_type::ack);
    message.head.epoch = epoch;
    message.head.sequence = up_to;
    hub.core.receive(hub.now, id, std::move(message), hub.out);
  }

  std::vector<frame> received() { return hub.sent_to(id); }
};

}  // namespace yonder::core::test
