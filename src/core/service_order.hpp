// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/flow_table.hpp"
#include "src/core/ranked_heap.hpp"

#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <unordered_map>

namespace yonder::core {

struct image;
struct lane;
struct lane_place;

// Where calls of all priorities and depths are served: 0 is first.
using service_rank = std::uint16_t;
inline constexpr std::uint32_t highest_priority = 9;
inline constexpr std::uint32_t usual_priority = 4;
// A higher priority first, then what was called from deeper within other calls.
constexpr service_rank rank_of(std::uint32_t priority, std::uint32_t depth) noexcept {
  constexpr std::uint32_t deepest = 255;
  return static_cast<service_rank>((highest_priority - priority) << 8 | (deepest - std::min(depth, deepest)));
}

// Whose share a call was charged to when it was given to a worker of that image, while others waited for
// theirs.
struct service_charge {
  std::uint64_t image = 0;  // image::number
  bool key = false;
  bool credential = false;
};

// The lanes with calls that the same workers may serve, and which of them is next: of the first rank; there
// of the credential that has been given the least for its weight, of its key likewise, the call that has
// waited longest. What was given is told by virtual clocks (start-time fair queueing; Goyal, Vin, Cheng
// 1996), as each credential and key that has waited since would have been given as much: whoever was away
// has saved up nothing, and owes nothing but what it was given last. Whoever was charged for what came back
// before it was started is charged half until that is made good: at once it would hold up who came since.
//
// As long as all lanes are of one rank and one flow they are a plain heap by arrival, and nothing is counted.
class service_order {
 public:
  service_order() = default;
  service_order(service_order const&) = delete;
  service_order& operator=(service_order const&) = delete;
  ~service_order();

  bool empty() const noexcept { return plain_.lanes.empty() && tiers_.empty(); }
  lane& front() const noexcept;
  // Of which all calls are that wait here; null: they are of several, or there is none.
  lane* only() const noexcept;

  // The first call of the place's lane is another one than before, or there is none.
  void update(lane_place& place);
  // So many calls of the lane are given to a worker, and leave it: update() follows. Returns whose shares
  // that has cost.
  service_charge charge(lane_place& place, std::uint32_t items);
  // So many that were charged like that are back in the lane, and had not been started.
  static void refund(lane_place& place, service_charge const& charged, std::uint32_t items);

  // Whether the first call of `a` is served before that of `b`; both are here.
  bool comes_before(lane_place const& a, lane_place const& b) const noexcept;
  // The next lane of which `takes` says yes; null: none.
  template <class Takes>
  lane_place* first_of(Takes&& takes) const {
    lane_place* best = nullptr;
    auto const look = [&](auto const& lanes) {
      for (auto* const one : lanes.elements())
        if (takes(*one) && (best == nullptr || comes_before(*one, *best))) best = one;
    };
    look(plain_.lanes);
    for (auto const& [rank, one] : tiers_) {
      for (auto* const whose : one->active.elements())
        for (auto* const flow : whose->active.elements()) look(flow->lanes);
      if (best != nullptr) break;
    }
    return best;
  }

  // Flows that it remembers.
  std::size_t flows() const noexcept;

 private:
  friend lane_place;

  struct tier;
  struct credential_share;

  // What a flow has been given of its credential's share.
  struct flow_share {
    flow_record* flow = nullptr;
    service_rank rank = 0;           // plain_ only
    credential_share* of = nullptr;  // null: plain_
    std::uint64_t start = 0;         // the virtual time at which its next call begins
    std::uint64_t owed = 0;          // virtual time that it was charged for nothing
    std::size_t place = 0;
    ranked_heap<lane_place> lanes;
    bool comes_before(flow_share const& other) const noexcept;
  };
  struct credential_share {
    credential_record* who = nullptr;
    tier* of = nullptr;
    std::uint64_t start = 0;
    std::uint64_t owed = 0;
    std::size_t place = 0;
    std::uint64_t clock = 0;  // the start of the flow that was served last
    ranked_heap<flow_share> active;
    std::unordered_map<flow_record*, std::unique_ptr<flow_share>> flows;
    std::size_t sweep_at = first_sweep;
    bool comes_before(credential_share const& other) const noexcept;
  };
  struct tier {
    std::uint64_t clock = 0;
    ranked_heap<credential_share> active;
    std::unordered_map<credential_record*, std::unique_ptr<credential_share>> credentials;
    std::size_t sweep_at = first_sweep;
  };
  static constexpr std::size_t first_sweep =
      64;  // flows, or credentials, before those that are even are forgotten

  bool is_plain() const noexcept { return tiers_.empty(); }
  void enter(lane_place& place);
  void leave(lane_place& place);
  void split_up();
  flow_share& share_of(service_rank rank, flow_record& flow);
  void add(flow_share& flow, lane_place& place);
  static void rise(flow_share& flow);
  void forget(service_rank rank);
  static void forget_even(credential_share& of);
  static void forget_even(tier& of);
  static void drop(credential_share& gone);

  flow_share plain_;                                     // all lanes, while they are of one rank and flow
  std::map<service_rank, std::unique_ptr<tier>> tiers_;  // otherwise, those with lanes
};

}  // namespace yonder::core
