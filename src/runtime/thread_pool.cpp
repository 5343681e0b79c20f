// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/thread_pool.hpp"

#include <algorithm>
#include <utility>

#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/engine.hpp"

namespace yonder::runtime_detail {

thread_pool::thread_pool(transport::limits const& limits, core::worker_config model,
                         std::size_t max_call_bytes, std::size_t max_decoded_bytes, detail::engine& host)
    : limits_(limits),
      model_(std::move(model)),
      max_call_bytes_(max_call_bytes),
      max_decoded_bytes_(max_decoded_bytes),
      host_(host),
      endpoint_(limits) {}

thread_pool::~thread_pool() { stop(); }

void thread_pool::start(core::out::start_worker const& wanted) {
  auto const start = wanted.start;
  reap();
  auto config = model_;
  config.secret = {platform::random_number(), platform::random_number()};
  config.session = core::session_of(config.secret);
  config.name += "/" + std::to_string(start);
  auto& fresh = workers_.emplace_back();
  fresh.start = start;
  try {
    fresh.loop =
        std::make_unique<worker_loop>(worker_loop_config{.core = std::move(config),
                                                         .max_result_bytes = max_call_bytes_,
                                                         .max_decoded_bytes = max_decoded_bytes_,
                                                         .started = &fresh.started,
                                                         .reach = [this] { return host_.shared_from_this(); },
                                                         .host = &host_});
    auto connection = std::make_unique<transport::inproc_endpoint>(limits_);
    connection->connect(endpoint_.where());
    fresh.loop->attach(std::move(connection));
    fresh.thread = platform::start_thread("yonder-worker", [this, &fresh] { run(fresh); });
  } catch (std::exception const& error) {
    happened_.push_back({.what = pool_event::kind::start_failed,
                         .start = start,
                         .text = std::string("no thread could be started: ") + error.what()});
    workers_.pop_back();
  }
}

void thread_pool::run(worker& one) try {
  one.loop->run();
  one.ended.store(true);
} catch (...) {
  one.ended.store(true);
  throw;
}

thread_pool::worker* thread_pool::find(transport::peer_id peer) noexcept {
  auto const found = std::find_if(workers_.begin(), workers_.end(),
                                  [&](auto& one) { return one.peer == peer && !one.fenced; });
  return found != workers_.end() ? &*found : nullptr;
}

void thread_pool::kill(transport::peer_id peer, std::string_view reason) {
  auto* const one = find(peer);
  if (one == nullptr) return;
  one->loop->abandon();
  endpoint_.close(peer);
  lose(*one, std::string(reason));
}

void thread_pool::lose(worker& one, std::string reason) {
  happened_.push_back({.what = pool_event::kind::lost,
                       .peer = one.peer,
                       .start = one.start,
                       .loss = {.started = one.started.load(), .reason = std::move(reason)}});
  one.fenced = true;
}

void thread_pool::take(std::vector<pool_event>& happened, std::vector<transport::event>& frames) {
  constexpr std::size_t most = 1024;
  constexpr transport::peer_id told = 0;
  endpoint_.receive(received_, most);
  for (auto& event : received_) {
    using what = transport::event::kind;
    if (event.peer == told) continue;  // before a throw
    switch (event.what) {
      case what::connected: greet(event.peer); break;
      case what::received: frames.push_back(std::move(event)); break;
      case what::lost:
        if (auto* const one = find(event.peer)) lose(*one, event.reason.empty() ? "ended" : event.reason);
        break;
      case what::revoked: break;  // keys are not asked for here
    }
    event.peer = told;
  }
  received_.clear();
  happened.reserve(happened.size() + happened_.size());
  std::move(happened_.begin(), happened_.end(), std::back_inserter(happened));
  happened_.clear();
}

// Connections do not say which thread made them, but they come in the order of start().
void thread_pool::greet(transport::peer_id peer) {
  auto const found = std::find_if(workers_.begin(), workers_.end(), [](auto& one) { return one.peer == 0; });
  if (found == workers_.end()) return;
  happened_.push_back({.what = pool_event::kind::connected, .peer = peer, .start = found->start});
  found->peer = peer;
}

void thread_pool::reap() {
  for (auto one = workers_.begin(); one != workers_.end();) {
    if (!one->ended.load()) {
      ++one;
      continue;
    }
    one->thread.join();
    one = workers_.erase(one);
  }
}

std::size_t thread_pool::size() const {
  return static_cast<std::size_t>(std::count_if(
      workers_.begin(), workers_.end(), [](auto const& one) { return !one.fenced && !one.ended.load(); }));
}

void thread_pool::stop() {
  for (auto& one : workers_) one.loop->abandon();
  for (auto& one : workers_)
    if (one.thread.joinable()) one.thread.join();
  workers_.clear();
}

}  // namespace yonder::runtime_detail
