// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <array>
#include <deque>
#include <map>
#include <string>
#include <unordered_map>
#include <utility>

namespace yonder::core::simulation {

// What a call says of when it is served.
struct turn_terms {
  std::uint32_t priority = 4;
  std::uint32_t credential = 0;
  std::uint32_t key = 0;    // 0: none
  std::uint32_t order = 0;  // 0: none
  std::uint32_t depth = 0;  // so many calls lie around it

  static constexpr std::uint32_t depths = 8;
  // Whatever has a higher one is served before.
  std::uint32_t rank() const { return priority * depths + depth; }
};

// What is promised of when calls are started, by an account of its own: all that wait may run on the same
// workers, and each frame to and from the hub is told as the hub does what it says.
class turn_watch {
 public:
  static std::uint32_t weight_of_credential(std::uint32_t credential) { return credential == 0 ? 3 : 1; }
  static std::uint32_t weight_of_key(std::uint32_t key) { return key == 2 ? 4 : 1; }

  void came(call_id id, turn_terms const& terms);
  void assigned(peer_id peer, call_id first, std::uint32_t count);
  // By the worker at `peer`. `again`: what was not started waits again.
  void answered(peer_id peer, call_id first, std::uint32_t count, bool started, bool again = false);
  void lost(peer_id peer);
  // No worker is left: what each was given may be forgotten.
  void forget_shares();
  void ended(call_id id);
  turn_terms const* terms_of(call_id id) const;

  std::string const& fault() const noexcept { return fault_; }
  bool shared() const noexcept { return shared_; }  // several wanted the same at once

 private:
  struct call {
    turn_terms terms;
    bool waits = true;  // and was never given to a worker
    bool ended = false;
    peer_id with = 0;  // the peer of the worker that has it; 0: none
    // Others had calls that wait when it was given to that.
    bool cost_credential = false, cost_key = false;
  };
  struct sharer {
    double weight = 1;
    std::size_t waiting = 0;
    // What it was given for its weight, without what makes good what it was given before and came back: as
    // far as that may be, or is for certain.
    double least = 0, most = 0;
    double owed = 0, surely_owed = 0;  // of what came back: not made good yet
    // By the others, what it was given at least more than they, when that was the least since both have had
    // calls that wait.
    std::map<std::uint32_t, double> lead;
    double lead_over(sharer const& other) const { return least - other.most; }
  };
  using group = std::map<std::uint32_t, sharer>;

  void wait(turn_terms const& terms, int change);
  void wait(group& among, std::uint32_t who, double weight, int change);
  void give(group& among, std::uint32_t who, std::uint32_t count, char const* what);
  void came_back(call& one, bool surely);
  static bool others_wait(group const& among, std::uint32_t who);
  static void forget_shares(group& among);
  void check_order(call_id id, turn_terms const& terms);
  void violated(std::string what) {
    if (fault_.empty()) fault_ = std::move(what);
  }

  struct hash {
    std::size_t operator()(call_id const& id) const noexcept { return id.session * 1'000'003 + id.number; }
  };
  std::unordered_map<call_id, call, hash> calls_;
  std::array<std::size_t, 10 * turn_terms::depths> waiting_{};                     // by rank
  std::map<std::uint32_t, group> credentials_;                                     // by rank
  std::map<std::pair<std::uint32_t, std::uint32_t>, group> keys_;                  // and by credential
  std::map<std::pair<std::uint32_t, std::uint32_t>, std::deque<call_id>> orders_;  // by credential and key
  std::uint32_t most_at_once_ = 1;
  bool shared_ = false;
  std::string fault_;
};

}  // namespace yonder::core::simulation
