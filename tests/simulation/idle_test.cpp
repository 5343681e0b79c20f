// SPDX-License-Identifier: Apache-2.0
//
// A million clients that call nothing, at a hub that others work with: what each of them takes, what their
// signs of life cost, and that nobody else notices.
#include "src/core/hub.hpp"
#include "src/core/metadata.hpp"

#include <doctest/doctest.h>
#include <malloc.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <deque>
#include <optional>
#include <vector>

namespace yonder::core {
namespace {

constexpr std::size_t idle_clients = YONDER_IS_SANITIZED ? 10'000 : 1'000'000;
constexpr std::size_t most_bytes = 2'048;  // of one, in the hub's core
constexpr duration turn = 100 * microsecond;
constexpr duration simulated = 3 * second;
constexpr duration heartbeat = 1 * second;
constexpr duration run = 300 * microsecond;  // of a call
constexpr std::uint64_t first_idle = std::uint64_t{1} << 32;

std::vector<function_info> offers_f() { return {{"f", 7, ""}}; }

double seconds_of_processor() { return static_cast<double>(std::clock()) / CLOCKS_PER_SEC; }

std::size_t heap_bytes() { return ::mallinfo2().uordblks + ::mallinfo2().hblkhd; }

struct working_client {
  static constexpr std::size_t window = 16;
  std::uint32_t epoch = 0;
  std::uint32_t sequence = 0;
  std::uint64_t calls = 0;
  std::vector<time_point> since{0};  // by number
  std::vector<duration> took;
  friend bool operator==(working_client const& a, working_client const& b) { return a.took == b.took; }
};

struct working_worker {
  std::uint32_t epoch = 0;
  std::uint32_t sequence = 0;
  std::deque<header> given;
  time_point free_at = 0;
};

class hub_with_idle_clients {
 public:
  hub_with_idle_clients(std::size_t idle, std::size_t clients, std::size_t workers)
      : core_(configured(), now_), idle_epochs_(idle), clients_(clients), workers_(workers) {
    peer_link const near{.reliable = true};
    for (std::size_t i = 0; i < workers; ++i) {
      core_.connected(now_, first_worker + i, near, out_);
      greet(first_worker + i, peer_role::worker, 1 + i, offers_f());
    }
    for (std::size_t i = 0; i < clients; ++i) {
      core_.connected(now_, first_client + i, near, out_);
      greet(first_client + i, peer_role::client, 100'000 + i, {});
    }
    auto const before = heap_bytes();
    for (std::size_t i = 0; i < idle; ++i) {
      core_.connected(now_, first_idle + i, {}, out_);
      greet(first_idle + i, peer_role::client, first_idle + i, {});
      say_heard(i, frame_type::ack);
      now_ += heartbeat / static_cast<duration>(idle);  // so do they come, one after the other
      if (i % 1'024 == 0) tick();
    }
    carry_out();
    bytes_ = idle == 0 ? 0 : (heap_bytes() - before) / idle;
    began_ = now_;
  }

  // Everybody calls as much as he may.
  void work() {
    for (std::size_t i = 0; i < clients_.size(); ++i)
      for (std::size_t n = 0; n < working_client::window; ++n) call(i);
    auto const idle_each_turn = idle_epochs_.size() * turn / heartbeat;
    for (std::size_t next = 0; now_ < began_ + simulated; now_ += turn) {
      for (std::size_t i = 0; i < idle_each_turn; ++i) {
        say_heard(next, frame_type::heartbeat);
        next = next + 1 == idle_epochs_.size() ? 0 : next + 1;
      }
      tick();
      for (std::size_t i = 0; i < workers_.size(); ++i) serve(i);
      carry_out();
    }
  }

  std::size_t bytes() const { return bytes_; }
  std::size_t heard() const { return heard_; }
  std::size_t said() const { return said_; }
  std::vector<working_client> const& clients() const { return clients_; }
  hub_census census() const { return core_.census(); }
  hub_counters counters() const { return core_.counters(); }

 private:
  static constexpr peer_id first_worker = 1, first_client = 100;

  static hub_config configured() {
    hub_config config;
    config.max_peers = 2 * idle_clients;
    config.timing.heartbeat = heartbeat;
    return config;
  }

  void greet(peer_id peer, peer_role role, std::uint64_t session, std::vector<function_info> functions) {
    hello_message said;
    said.role = role;
    said.session = session;
    said.name = "idle";
    said.functions = std::move(functions);
    auto message = make_hello(said);
    message.head.attempt = 1;
    core_.receive(now_, peer, std::move(message), out_);
    carry_out();
  }

  void say_heard(std::size_t idle, frame_type how) {
    auto message = make_control(how);
    message.head.epoch = idle_epochs_[idle];
    core_.receive(now_, first_idle + idle, std::move(message), out_);
    if (how == frame_type::heartbeat) ++heard_;
  }

  void tick() {
    if (core_.next_deadline() <= now_) core_.tick(now_, out_);
    carry_out();
  }

  void call(std::size_t index) {
    auto& client = clients_[index];
    frame message;
    message.head.type = frame_type::call;
    message.head.call = {100'000 + index, ++client.calls};
    message.head.signature = 7;
    message.head.epoch = client.epoch;
    message.head.sequence = ++client.sequence;
    byte_buffer body;
    write_call(body, "f", {}, {});
    message.head.metadata_size = static_cast<std::uint32_t>(body.size());
    message.body = std::move(body);
    client.since.push_back(now_);
    core_.receive(now_, first_client + index, std::move(message), out_);
  }

  void serve(std::size_t index) {
    auto& worker = workers_[index];
    if (worker.given.empty() || worker.free_at > now_) return;
    auto message = make_control(frame_type::result);
    message.head.call = worker.given.front().call;
    message.head.attempt = worker.given.front().attempt;
    message.head.epoch = worker.epoch;
    message.head.sequence = ++worker.sequence;
    message.head.remaining_us = run / microsecond;
    worker.given.pop_front();
    worker.free_at = now_ + run;
    core_.receive(now_, first_worker + index, std::move(message), out_);
  }

  void carry_out() {
    while (!out_.empty()) {
      std::swap(out_, taken_);
      out_.clear();
      for (auto const& one : taken_)
        if (auto const* const send = std::get_if<out::send>(&one)) take(*send);
    }
  }

  void take(out::send const& send) {
    if (send.peer >= first_idle) {
      if (send.head.type == frame_type::welcome) idle_epochs_[send.peer - first_idle] = send.head.epoch;
      if (send.head.type == frame_type::heartbeat) ++said_;
      return;
    }
    if (send.peer >= first_client) {
      auto const index = send.peer - first_client;
      auto& client = clients_[index];
      if (send.head.type == frame_type::welcome) client.epoch = send.head.epoch;
      if (send.head.type != frame_type::result) return;
      client.took.push_back(now_ - client.since[send.head.call.number]);
      return call(index);
    }
    auto& worker = workers_[send.peer - first_worker];
    if (send.head.type == frame_type::welcome) worker.epoch = send.head.epoch;
    if (send.head.type != frame_type::assign) return;
    if (worker.given.empty()) worker.free_at = now_ + run;
    worker.given.push_back(send.head);
  }

  time_point now_ = 1'000 * second;
  time_point began_ = now_;
  hub core_;
  outputs out_, taken_;
  std::vector<std::uint32_t> idle_epochs_;
  std::vector<working_client> clients_;
  std::vector<working_worker> workers_;
  std::size_t bytes_ = 0, heard_ = 0, said_ = 0;
};

}  // namespace

TEST_CASE("a million clients that call nothing cost their signs of life, and nobody else notices them") {
  constexpr std::size_t clients = 8, workers = 4;
  hub_with_idle_clients alone(0, clients, workers);
  alone.work();
  auto const began = seconds_of_processor();
  hub_with_idle_clients hub(idle_clients, clients, workers);
  auto const connected = seconds_of_processor();
  hub.work();
  auto const worked = seconds_of_processor();

  auto const signs = hub.heard() + hub.said();
  std::printf("%zu idle connections: %zu bytes each, %.1f us to come, %.0f ns a sign of life\n", idle_clients,
              hub.bytes(), (connected - began) * 1e6 / static_cast<double>(idle_clients),
              (worked - connected) * 1e9 / static_cast<double>(signs));
  CHECK(hub.bytes() <= most_bytes);

  // All of them are there, and no more was said to each than one thing each heartbeat.
  CHECK(hub.census().clients == idle_clients + clients);
  CHECK(hub.counters().protocol_violations + hub.counters().stale == 0);
  CHECK(hub.said() <= idle_clients * (simulated / heartbeat + 1));

  // The others are served as without them, one as the other.
  CHECK(hub.clients() == alone.clients());
  std::size_t least = ~std::size_t{0}, most = 0;
  std::vector<duration> all;
  for (auto const& one : hub.clients()) {
    least = std::min(least, one.took.size());
    most = std::max(most, one.took.size());
    all.insert(all.end(), one.took.begin(), one.took.end());
  }
  std::sort(all.begin(), all.end());
  CHECK(least > 1'000);
  CHECK(most - least <= most / 20);
  CHECK(all[all.size() * 99 / 100] <= 10 * all[all.size() / 2]);
}

}  // namespace yonder::core
