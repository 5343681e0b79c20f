// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <unordered_map>
#include <utility>
#include <vector>

#include "src/core/mutant.hpp"
#include "src/core/types.hpp"

namespace yonder::driver {

// What a transport says of a frame: transport::send_status, which lies above this layer, or that it threw.
enum class send_result : std::uint8_t { sent, full, gone, too_large, failed };

// Frames on their way to a transport, which may refuse them for now. Those of one peer keep their order. How
// much can wait is bounded by the credit and the prefetch that the cores keep.
class outbox {
 public:
  enum class fate : std::uint8_t {
    settled,  // sent; or the peer has gone, which its endpoint reports; or a core will say it again
    waits,    // the queue is full: it is offered again by retry()
    refused   // it can never be sent, or may be lost: the peer is to be given up, with words
  };

  // `transmit(out::send const&)` offers a frame to the transport. `repeats`: the core says again what is
  // lost.
  template <class Transmit>
  fate send(core::time_point now, core::out::send&& message, bool repeats, Transmit&& transmit) {
    if (!waiting_.empty() && !YONDER_MUTANT(full_queue_overtaken)) [[unlikely]]
      if (auto const found = waiting_.find(message.peer); found != waiting_.end()) {
        found->second.push_back({std::move(message), now});
        return fate::waits;
      }
    auto const result = transmit(std::as_const(message));
    if (result == send_result::sent) [[likely]]
      return fate::settled;
    return settle(now, std::move(message), result, repeats);
  }

  // Offers again what waits, until a queue is full again; once in a turn. `refuse(out::send&&)` takes what
  // can never be sent.
  template <class Transmit, class Refuse>
  void retry(core::time_point now, Transmit&& transmit, Refuse&& refuse) {
    if (waiting_.empty()) [[likely]]
      return;
    std::vector<core::out::send> refused;
    for (auto peer = waiting_.begin(); peer != waiting_.end();) {
      if (drain(now, peer->second, transmit, refused))
        peer = waiting_.erase(peer);
      else
        ++peer;
    }
    for (auto& message : refused) refuse(std::move(message));
  }

  // The peer has gone, or its connection was closed.
  void forget(core::peer_id peer) noexcept { waiting_.erase(peer); }

  // Calls `visit(frame&)` for what waits.
  template <class Visit>
  void each(Visit&& visit) {
    for (auto& [peer, messages] : waiting_)
      for (auto& one : messages) visit(*one.message.body);
  }

  bool empty() const noexcept { return waiting_.empty(); }
  bool holds(core::peer_id peer) const noexcept { return waiting_.contains(peer); }

 private:
  struct waiting {
    core::out::send message;
    core::time_point since;
  };
  using queue = std::deque<waiting>;

  fate settle(core::time_point now, core::out::send&& message, send_result result, bool repeats);
  static void use_up(core::time_point now, waiting& one) noexcept;

  // True: nothing is left.
  template <class Transmit>
  static bool drain(core::time_point now, queue& messages, Transmit& transmit,
                    std::vector<core::out::send>& refused) {
    while (!messages.empty()) {
      use_up(now, messages.front());
      auto const result = transmit(std::as_const(messages.front().message));
      if (result == send_result::full) return false;
      if (result == send_result::gone) return true;
      auto message = std::move(messages.front().message);
      messages.pop_front();
      if (result != send_result::sent) {
        refused.push_back(std::move(message));
        return true;
      }
    }
    return true;
  }

  std::unordered_map<core::peer_id, queue> waiting_;  // no queue is empty
};

}  // namespace yonder::driver
