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
  waiting_[terms.rank()] += static_cast<std::size_t>(change);
  wait(credentials_[terms.rank()], terms.credential, weight_of_credential(terms.credential), change);
  wait(keys_[{terms.rank(), terms.credential}], terms.key, weight_of_key(terms.key), change);
}

void turn_watch::wait(group& among, std::uint32_t who, double weight, int change) {
  auto& one = among[who];
  one.weight = weight;
  one.waiting += static_cast<std::size_t>(change);
  if (one.waiting == 1 && change == 1) {
    for (auto& [other, rival] : among) {
      if (other == who || rival.waiting == 0) continue;
      shared_ = true;
      one.lead[other] = one.lead_over(rival);
      rival.lead[who] = rival.lead_over(one);
    }
  } else if (one.waiting == 0) {
    one.surely_owed = 0;
    for (auto& [other, rival] : among) rival.lead.erase(who);
    one.lead.clear();
  }
}

void turn_watch::assigned(peer_id peer, call_id first, std::uint32_t count) {
  auto const found = calls_.find(first);
  if (found == calls_.end()) return violated("a call is given to a worker that never came");
  auto const terms = found->second.terms;
  for (auto higher = terms.rank() + 1; higher < waiting_.size(); ++higher)
    if (waiting_[higher] != 0)
      violated("a call is started before another one of a higher priority, or from deeper within others");
  most_at_once_ = std::max(most_at_once_, count);
  auto& credentials = credentials_[terms.rank()];
  auto& keys = keys_[{terms.rank(), terms.credential}];
  auto const cost_credential = others_wait(credentials, terms.credential);
  auto const cost_key = others_wait(keys, terms.key);
  give(credentials, terms.credential, count, "credentials");
  give(keys, terms.key, count, "keys");
  for (std::uint32_t i = 0; i < count; ++i) {
    call_id const id{first.session, first.number + i};
    auto& one = calls_[id];
    one.with = peer;
    one.cost_credential = cost_credential;
    one.cost_key = cost_key;
    if (std::exchange(one.waits, false)) wait(terms, -1);
    if (terms.order != 0) check_order(id, terms);
  }
}

void turn_watch::answered(peer_id peer, call_id first, std::uint32_t count, bool started, bool again) {
  for (std::uint32_t i = 0; i < count; ++i) {
    auto const found = calls_.find({first.session, first.number + i});
    if (found == calls_.end() || found->second.with != peer) continue;
    if (started)
      found->second.with = 0;
    else
      came_back(found->second, again && !found->second.ended);
  }
}

// What it had not started comes back: at most all that it has.
void turn_watch::lost(peer_id peer) {
  for (auto& [id, one] : calls_)
    if (one.with == peer) came_back(one, false);
}

void turn_watch::came_back(call& one, bool surely) {
  auto const& terms = one.terms;
  one.with = 0;
  auto const owe = [&](group& among, std::uint32_t who, bool cost) {
    auto& whose = among[who];
    whose.owed += 1 / whose.weight;
    if (surely && cost && whose.waiting != 0 && others_wait(among, who))
      whose.surely_owed += 1 / whose.weight;
  };
  owe(credentials_[terms.rank()], terms.credential, one.cost_credential);
  owe(keys_[{terms.rank(), terms.credential}], terms.key, one.cost_key);
}

// More than one call, so that it is so also where one of them has just ended.
bool turn_watch::others_wait(group const& among, std::uint32_t who) {
  std::size_t waiting = 0;
  for (auto const& [other, one] : among) waiting += other == who ? 0 : one.waiting;
  return waiting > 1;
}

void turn_watch::forget_shares() {
  for (auto& [rank, among] : credentials_) forget_shares(among);
  for (auto& [whose, among] : keys_) forget_shares(among);
}

void turn_watch::forget_shares(group& among) {
  for (auto& [who, one] : among) {
    one.surely_owed = 0;  // what may be owed stays: a hub that waits for its workers may remember it
    for (auto& [other, lead] : one.lead) lead = one.lead_over(among[other]);
  }
}

// Of two that have had calls that wait all the time, none was given more for its weight than both may at
// once, but for what makes good what it was given before and came back: half of what it is given.
void turn_watch::give(group& among, std::uint32_t who, std::uint32_t count, char const* what) {
  auto& one = among[who];
  auto const cost = count / one.weight;
  auto const made_good = std::min(one.owed, cost / 2);
  one.owed -= made_good;
  one.least += cost - made_good;
  auto const surely_made_good = std::min(one.surely_owed, cost / 2);
  one.surely_owed -= surely_made_good;
  one.most += cost - (others_wait(among, who) ? surely_made_good : 0);
  for (auto const& [other, lead] : one.lead) {
    auto& rival = among[other];
    auto& behind = rival.lead[who];
    behind = std::min(behind, rival.lead_over(one));
    auto const most = most_at_once_ * (1 / one.weight + 1 / rival.weight) * 1.01;
    if (one.lead_over(rival) - lead > most)
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
