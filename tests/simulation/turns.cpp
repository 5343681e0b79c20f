// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/turns.hpp"

#include <algorithm>

namespace yonder::core::simulation {

void turn_watch::came(call_id id, turn_terms const& terms) {
  auto const [made, is_new] = calls_.emplace(id, call{terms});
  if (!is_new) return;
  if (terms.order != 0) {
    orders_[{terms.credential, terms.order}].push_back(id);
    made->second.waits = false;  // for its turn, maybe
  } else {
    wait(terms, 1);
  }
}

void turn_watch::wait(turn_terms const& terms, int change) {
  waiting_[terms.priority] += static_cast<std::size_t>(change);
  wait(credentials_[terms.priority], terms.credential, weight_of_credential(terms.credential), change);
  wait(keys_[{terms.priority, terms.credential}], terms.key, weight_of_key(terms.key), change);
}

void turn_watch::wait(group& among, std::uint32_t who, double weight, int change) {
  auto& one = among[who];
  one.weight = weight;
  one.waiting += static_cast<std::size_t>(change);
  if (one.waiting == 1 && change == 1) {
    for (auto& [other, rival] : among) {
      if (other == who || rival.waiting == 0) continue;
      shared_ = true;
      auto const lead = one.given - rival.given;
      one.lead[other] = {lead, lead};
      rival.lead[who] = {-lead, -lead};
    }
  } else if (one.waiting == 0) {
    for (auto& [other, rival] : among) rival.lead.erase(who);
    one.lead.clear();
  }
}

void turn_watch::assigned(call_id first, std::uint32_t count) {
  auto const found = calls_.find(first);
  if (found == calls_.end()) return violated("a call is given to a worker that never came");
  auto const terms = found->second.terms;
  for (auto higher = terms.priority + 1; higher < waiting_.size(); ++higher)
    if (waiting_[higher] != 0) violated("a call is started before another one of a higher priority");
  most_at_once_ = std::max(most_at_once_, count);
  give(credentials_[terms.priority], terms.credential, count, "credentials");
  give(keys_[{terms.priority, terms.credential}], terms.key, count, "keys");
  for (std::uint32_t i = 0; i < count; ++i) {
    call_id const id{first.session, first.number + i};
    auto& one = calls_[id];
    if (std::exchange(one.waits, false)) wait(terms, -1);
    if (terms.order != 0) check_order(id, terms);
  }
}

// Of two that have had calls that wait all the time, none was given more for its weight than both may at
// once.
void turn_watch::give(group& among, std::uint32_t who, std::uint32_t count, char const* what) {
  auto& one = among[who];
  one.given += count / one.weight;
  for (auto& [other, range] : one.lead) {
    auto& rival = among[other];
    auto const lead = one.given - rival.given;
    range.first = std::min(range.first, lead);
    range.second = std::max(range.second, lead);
    rival.lead[who] = {-range.second, -range.first};
    auto const most = most_at_once_ * (1 / one.weight + 1 / rival.weight) * 1.01;
    if (range.second - range.first > most)
      violated(std::string("of two ") + what + " one gets more than its share");
  }
}

void turn_watch::check_order(call_id id, turn_terms const& terms) {
  auto& line = orders_[{terms.credential, terms.order}];
  while (!line.empty() && calls_[line.front()].ended) line.pop_front();
  if (line.empty() || line.front() != id)
    violated("a call is started before an earlier one of its order key has ended");
}

void turn_watch::ended(call_id id) {
  auto const found = calls_.find(id);
  if (found == calls_.end() || std::exchange(found->second.ended, true)) return;
  if (std::exchange(found->second.waits, false)) wait(found->second.terms, -1);
}

turn_terms const* turn_watch::terms_of(call_id id) const {
  auto const found = calls_.find(id);
  return found == calls_.end() ? nullptr : &found->second.terms;
}

}  // namespace yonder::core::simulation
