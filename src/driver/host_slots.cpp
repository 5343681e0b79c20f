// SPDX-License-Identifier: Apache-2.0
#include "src/driver/host_slots.hpp"

#include <algorithm>
#include <utility>

namespace yonder::driver {
namespace {

constexpr std::int64_t first_pause = 5'000'000'000, longest_pause = 300'000'000'000;

std::size_t free_gpus(std::vector<bool> const& taken) {
  return static_cast<std::size_t>(std::count(taken.begin(), taken.end(), false));
}

}  // namespace

host_slots::host_slots(std::vector<host> hosts) {
  for (auto& one : hosts) {
    auto& made = states_.emplace_back();
    made.gpus_taken.resize(one.gpus.size());
    made.is = std::move(one);
  }
}

std::optional<host_slots::place> host_slots::take(std::int64_t now, std::uint64_t start, std::size_t gpus) {
  release_due(now);
  state* best = nullptr;
  for (auto& one : states_) {
    if (one.not_before > now || one.taken >= one.is.slots || free_gpus(one.gpus_taken) < gpus) continue;
    if (best == nullptr || one.is.slots - one.taken > best->is.slots - best->taken) best = &one;
  }
  if (best == nullptr) return std::nullopt;
  ++best->taken;
  place given{.host = static_cast<std::size_t>(best - states_.data())};
  auto& kept = places_[start];
  kept.host = given.host;
  kept.round = best->rounds;
  for (std::size_t i = 0; i < best->gpus_taken.size() && kept.gpus.size() < gpus; ++i) {
    if (best->gpus_taken[i]) continue;
    best->gpus_taken[i] = true;
    kept.gpus.push_back(i);
    given.gpus.push_back(best->is.gpus[i]);
  }
  return given;
}

std::string host_slots::why(std::int64_t now, std::size_t gpus, bool waits) const {
  std::string text = waits ? "no host has room for it" : "no host can take it";
  for (auto const& one : states_) {
    text += "; " + one.is.name + ": ";
    if (one.is.gpus.size() < gpus)
      text += "has " + std::to_string(one.is.gpus.size()) + " of the " + std::to_string(gpus) +
              " GPUs that it is to have";
    else if (one.not_before > now && !waits)
      text += "failed";
    else if (one.not_before > now)
      text += "failed, and is tried again in " + std::to_string((one.not_before - now) / 1'000'000'000 + 1) +
              " s";
    else if (one.taken >= one.is.slots)
      text += "all of its slots (" + std::to_string(one.is.slots) + ") are taken";
    else if (free_gpus(one.gpus_taken) < gpus)
      text += "its GPUs are others'";
    else
      text += "others wait for it already";
  }
  return text;
}

bool host_slots::may_come(std::int64_t now, std::size_t gpus) const {
  return std::any_of(states_.begin(), states_.end(), [&](auto const& one) {
    return one.is.gpus.size() >= gpus && (one.not_before <= now || one.was_reached || one.taken != 0);
  });
}

std::int64_t host_slots::next_change(std::int64_t now) const {
  auto next = never;
  for (auto const& one : states_)
    if (one.not_before > now) next = std::min(next, one.not_before);
  for (auto const& one : staying_) next = std::min(next, one.until);
  return next;
}

void host_slots::served(std::uint64_t start) {
  auto const found = places_.find(start);
  if (found == places_.end()) return;
  auto& where = states_[found->second.host];
  where.was_reached = true;
  where.failures = 0;
  where.not_before = 0;
}

void host_slots::give_back(std::int64_t now, std::uint64_t start, bool failed, std::int64_t stays) {
  auto found = places_.extract(start);
  if (found.empty()) return;
  auto& gone = found.mapped();
  auto& where = states_[gone.host];
  where.was_reached = where.was_reached || !failed || stays > 0;
  gone.until = now + stays;
  if (stays > 0)
    staying_.push_back(gone);
  else
    release(gone);
  if (!failed) {
    where.failures = 0;
    return;
  }
  if (gone.round != where.rounds) return;
  ++where.rounds;
  auto pause = first_pause;
  for (int i = where.failures++; i > 0 && pause < longest_pause; --i) pause *= 2;
  where.not_before = now + std::min(pause, longest_pause);
}

void host_slots::release(taken_place const& gone) {
  auto& where = states_[gone.host];
  --where.taken;
  for (auto const i : gone.gpus) where.gpus_taken[i] = false;
}

void host_slots::release_due(std::int64_t now) {
  std::erase_if(staying_, [&](auto const& one) {
    if (one.until > now) return false;
    release(one);
    return true;
  });
}

}  // namespace yonder::driver
