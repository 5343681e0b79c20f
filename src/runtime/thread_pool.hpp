// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <list>
#include <memory>
#include <mutex>
#include <thread>

#include "src/runtime/worker_loop.hpp"
#include "src/runtime/worker_pool.hpp"
#include "transports/inproc/inproc_endpoint.hpp"

namespace yonder::runtime_detail {

// Workers that are threads of this process. What they run cannot be ended from outside: kill() fences a
// worker and asks its task to stop; the thread ends when the task returns.
class thread_pool final : public worker_pool {
 public:
  // `model`: what every worker is told; each gets a session of its own. `host`: whose pool this is.
  thread_pool(transport::limits const& limits, core::worker_config model, std::size_t max_call_bytes,
              std::size_t max_decoded_bytes, detail::engine& host);
  ~thread_pool() override;

  void start(core::out::start_worker const& wanted) override;
  void kill(transport::peer_id peer, std::string_view reason) override;
  void abandon(std::uint64_t) override {}  // a thread connects as soon as it runs
  void take(std::vector<pool_event>& happened, std::vector<transport::event>& frames) override;
  bool arm(transport::doorbell& bell) override { return endpoint_.arm(bell) && happened_.empty(); }
  transport::endpoint& endpoint() override { return endpoint_; }
  std::size_t size() const override;
  void stop() override;

 private:
  struct worker {
    std::uint64_t start = 0;
    transport::peer_id peer = 0;  // 0: not connected yet
    std::unique_ptr<worker_loop> loop;
    std::atomic<std::uint64_t> started{0};
    bool fenced = false;
    std::atomic<bool> ended{false};
    std::thread thread;
  };

  worker* find(transport::peer_id peer) noexcept;
  void run(worker& one);
  void greet(transport::peer_id peer);
  void lose(worker& one, std::string reason);
  void reap();

  transport::limits limits_;
  core::worker_config model_;
  std::size_t max_call_bytes_;
  std::size_t max_decoded_bytes_;
  detail::engine& host_;
  transport::inproc_endpoint endpoint_;
  std::list<worker> workers_;
  std::vector<pool_event> happened_;
  std::vector<transport::event> received_;
};

}  // namespace yonder::runtime_detail
