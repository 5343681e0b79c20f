// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <string>

#include "src/platform/process.hpp"
#include "src/runtime/stderr_relay.hpp"
#include "src/runtime/worker_pool.hpp"
#include "transports/local/local_endpoint.hpp"

namespace yonder::runtime_detail {

// Workers that are processes of this very binary: each has one end of a socketpair, by which it also notices
// that we are gone, and a page of memory in which it publishes what it has started. They have no name in the
// file system.
class process_pool final : public worker_pool, private transport::ready_handler {
 public:
  process_pool(transport::poller& poller, transport::limits const& limits, std::size_t max_call_bytes,
               std::size_t max_decoded_bytes);
  ~process_pool() override;

  void start(std::uint64_t start) override;
  void kill(transport::peer_id peer, std::string_view reason) override;
  void abandon(std::uint64_t start) override;
  void take(std::vector<pool_event>& happened, std::vector<transport::event>& frames) override;
  bool arm(transport::doorbell& bell) override { return endpoint_.arm(bell) && happened_.empty(); }
  transport::endpoint& endpoint() override { return endpoint_; }
  std::size_t size() const override { return workers_.size(); }
  void stop() override;

 private:
  struct worker;
  using worker_list = std::list<std::unique_ptr<worker>>;

  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  worker* find(transport::peer_id peer) noexcept;
  void launch(std::uint64_t start);
  void read_output(worker& one);
  void reap(worker& one);
  void await_ends(std::int64_t until);
  void receive(std::vector<transport::event>& frames);
  void bury(worker& dead, std::vector<transport::event>& frames);
  void report(worker& dead);

  transport::poller& poller_;
  transport::local_endpoint endpoint_;
  std::size_t max_call_bytes_;
  std::size_t max_decoded_bytes_;
  worker_list workers_;
  std::vector<pool_event> happened_;
  std::vector<transport::event> received_;
  stderr_relay relay_{poller_};
};

// What a worker process inherits.
struct worker_inheritance {
  platform::unique_fd socket;
  std::atomic<std::uint32_t>* started = nullptr;  // in the page: the highest sequence that was started
  std::size_t max_call_bytes = 0;                 // of the runtime that started this process
  std::size_t max_decoded_bytes = 0;              // likewise
};

// Whether this process was started by a process_pool, or with worker_flag; known from before main.
bool inherited() noexcept;
bool asked_to_serve() noexcept;

// The first argument of a worker of a hub elsewhere; the second is the hub's address.
inline constexpr std::string_view worker_flag = "--yonder-worker";

// To be called once, where inherited().
worker_inheritance take_inheritance();

}  // namespace yonder::runtime_detail
