// SPDX-License-Identifier: Apache-2.0
#include "src/core/service_order.hpp"

#include "src/core/hub_records.hpp"
#include "src/core/mutant.hpp"

#include <tuple>

namespace yonder::core {
namespace {

constexpr std::uint64_t time_of_a_call = std::uint64_t{1} << 20;  // virtual, at weight 1

std::uint64_t virtual_time(std::uint32_t items, std::uint32_t weight) {
  if (YONDER_MUTANT(weights_ignored)) weight = 1;
  return items * (time_of_a_call / weight);
}

// What is left to be charged.
std::uint64_t rebated(std::uint64_t cost, std::uint64_t& owed) {
  auto const rebate = std::min(owed, cost / 2);
  owed -= rebate;
  return cost - rebate;
}

}  // namespace

bool service_order::flow_share::comes_before(flow_share const& other) const noexcept {
  return start != other.start ? start < other.start : lanes.front().stamp() < other.lanes.front().stamp();
}

bool service_order::credential_share::comes_before(credential_share const& other) const noexcept {
  if (start != other.start) return start < other.start;
  auto const stamp = [](credential_share const& one) { return one.active.front().lanes.front().stamp(); };
  return stamp(*this) < stamp(other);
}

service_order::~service_order() {
  while (!tiers_.empty()) forget(tiers_.begin()->first);
}

lane& service_order::front() const noexcept {
  if (is_plain()) return *plain_.lanes.front().of;
  return *tiers_.begin()->second->active.front().active.front().lanes.front().of;
}

lane* service_order::only() const noexcept {
  auto const first_of_one = [](auto const& among) -> auto* {
    return among.size() == 1 ? &among.front() : nullptr;
  };
  auto const* flow = &plain_;
  if (!is_plain()) {
    auto const* const whose = tiers_.size() == 1 ? first_of_one(tiers_.begin()->second->active) : nullptr;
    flow = whose != nullptr ? first_of_one(whose->active) : nullptr;
  }
  auto const* const place = flow != nullptr ? first_of_one(flow->lanes) : nullptr;
  return place != nullptr ? place->of : nullptr;
}

std::size_t service_order::flows() const noexcept {
  std::size_t sum = 0;
  for (auto const& [rank, one] : tiers_)
    for (auto const& [who, whose] : one->credentials) sum += whose->flows.size();
  return sum;
}

void service_order::update(lane_place& place) {
  if (place.of->calls.empty()) {
    if (place.in != nullptr) leave(place);
  } else if (place.in == nullptr) {
    enter(place);
  } else {
    place.in->lanes.moved(place);
    if (place.in != &plain_) rise(*place.in);
  }
}

void service_order::enter(lane_place& place) {
  auto& lane = *place.of;
  if (is_plain()) {
    if (plain_.lanes.empty()) {
      plain_.flow = lane.flow;
      plain_.rank = lane.rank;
    }
    if (plain_.flow == lane.flow && plain_.rank == lane.rank) {
      place.in = &plain_;
      return plain_.lanes.push(place);
    }
    split_up();
  }
  add(share_of(lane.rank, *lane.flow), place);
}

void service_order::leave(lane_place& place) {
  auto& flow = *std::exchange(place.in, nullptr);
  flow.lanes.remove(place);
  if (&flow == &plain_) return;
  auto const rank = place.of->rank;
  auto const& left = *flow.of->of;
  rise(flow);
  if (left.active.empty()) forget(rank);
}

// There is more than one rank or flow from now on.
void service_order::split_up() {
  YONDER_REACHED(shared_out);
  auto& shared = share_of(plain_.rank, *plain_.flow);
  while (!plain_.lanes.empty()) {
    auto& place = plain_.lanes.front();
    plain_.lanes.remove(place);
    add(shared, place);
  }
}

service_order::flow_share& service_order::share_of(service_rank rank, flow_record& flow) {
  auto& held = tiers_[rank];
  if (held == nullptr) held = std::make_unique<tier>();
  auto* const who = flow.credential;
  auto& whose = held->credentials[who];
  if (whose == nullptr) {
    whose = std::make_unique<credential_share>();
    whose->who = who;
    whose->of = held.get();
    flow.table->hold(*who);
  }
  auto& share = whose->flows[&flow];
  if (share == nullptr) {
    share = std::make_unique<flow_share>();
    share->flow = &flow;
    share->of = whose.get();
    flow.table->hold(flow);
  }
  return *share;
}

void service_order::add(flow_share& flow, lane_place& place) {
  place.in = &flow;
  flow.lanes.push(place);
  rise(flow);
}

// Its lanes are others than before: so may be its place among its credential's, and that one's.
void service_order::rise(flow_share& flow) {
  auto const settle = [](auto& among, auto& one, bool has_calls, std::uint64_t clock) {
    if (!has_calls) {
      if (one.place != 0) among.remove(one);
    } else if (one.place != 0) {
      among.moved(one);
    } else {
      one.start = std::max(one.start, YONDER_MUTANT(absence_saved_up) ? one.start : clock);
      among.push(one);
    }
  };
  auto& whose = *flow.of;
  settle(whose.active, flow, !flow.lanes.empty(), whose.clock);
  settle(whose.of->active, whose, !whose.active.empty(), whose.of->clock);
}

service_charge service_order::charge(lane_place& place, std::uint32_t items) {
  if (is_plain() || YONDER_MUTANT(shares_ignored)) return {};
  auto& flow = *place.in;
  auto& whose = *flow.of;
  auto& all = *whose.of;
  whose.clock = std::max(whose.clock, flow.start);
  flow.start += rebated(virtual_time(items, flow.flow->weight), flow.owed);
  all.clock = std::max(all.clock, whose.start);
  if (!YONDER_MUTANT(credentials_ignored))
    whose.start += rebated(virtual_time(items, whose.who->weight), whose.owed);
  service_charge const charged{place.by->number, whose.active.elements().size() > 1,
                               all.active.elements().size() > 1};
  if (whose.flows.size() > whose.sweep_at) forget_even(whose);
  if (all.credentials.size() > all.sweep_at) forget_even(all);
  return charged;
}

void service_order::refund(lane_place& place, service_charge const& charged, std::uint32_t items) {
  auto& flow = *place.in;
  if (flow.of == nullptr) return;  // nobody else waits
  YONDER_REACHED(refunded);
  if (YONDER_MUTANT(refund_forgotten)) return;
  auto& whose = *flow.of;
  if (charged.key) flow.owed += virtual_time(items, flow.flow->weight);
  if (charged.credential) whose.owed += virtual_time(items, whose.who->weight);
}

bool service_order::comes_before(lane_place const& a, lane_place const& b) const noexcept {
  if (is_plain()) return a.stamp() < b.stamp();
  auto const key = [](lane_place const& one) {
    return std::tuple(one.of->rank, one.in->of->start, one.in->of->active.front().lanes.front().stamp(),
                      one.in->start, one.in->lanes.front().stamp(), one.stamp());
  };
  return key(a) < key(b);
}

// --- what need not be remembered

// Nothing waits there.
void service_order::forget(service_rank rank) {
  auto const found = tiers_.find(rank);
  for (auto& [who, whose] : found->second->credentials) drop(*whose);
  tiers_.erase(found);
}

// Whoever has nothing to be served, and would begin at the clock's time anyway.
void service_order::forget_even(credential_share& of) {
  std::erase_if(of.flows, [&](auto& entry) {
    auto& flow = *entry.second;
    auto const even = flow.place == 0 && flow.start <= of.clock;
    if (even) flow.flow->table->release(*flow.flow);
    return even;
  });
  of.sweep_at = std::max(first_sweep, 2 * of.flows.size());
}

void service_order::forget_even(tier& of) {
  std::erase_if(of.credentials, [&](auto& entry) {
    auto const even = entry.second->place == 0 && entry.second->start <= of.clock;
    if (even) drop(*entry.second);
    return even;
  });
  of.sweep_at = std::max(first_sweep, 2 * of.credentials.size());
}

void service_order::drop(credential_share& gone) {
  for (auto& [key, flow] : gone.flows) key->table->release(*key);
  gone.who->table->release(*gone.who);
}

}  // namespace yonder::core
