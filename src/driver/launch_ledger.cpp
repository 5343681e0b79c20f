// SPDX-License-Identifier: Apache-2.0
#include "src/driver/launch_ledger.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

namespace yonder::driver {
namespace {

// 2.5, 10, 0.123: as a person writes it.
std::string in_words(double amount) {
  auto text = std::to_string(std::round(amount * 1000) / 1000);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

}  // namespace

bool launch_ledger::begin(std::uint64_t start) {
  if (!why_full().empty()) return false;
  instances_.emplace(start, instance{.round = rounds_});
  return true;
}

std::string launch_ledger::why_full() const {
  auto const count = instances_.size() + 1;
  auto const stuck = refusing();
  auto const stopped = static_cast<std::size_t>(std::count_if(
      instances_.begin(), instances_.end(), [](auto const& entry) { return entry.second.stopping; }));
  auto among =
      stuck == 0 ? std::string() : ", among them " + std::to_string(stuck) + " that could not be stopped";
  if (stopped > stuck) among += ", " + std::to_string(stopped - stuck) + " being stopped";
  if (limits_.max_instances != 0 && count > limits_.max_instances)
    return (count == 2 ? "there is " : "there are ") + std::to_string(count - 1) + among +
           ", and its pool may have " + std::to_string(limits_.max_instances) +
           " (max, or what its launcher can start)";
  auto const cost = static_cast<double>(count) * limits_.cost_per_hour;
  constexpr double rounding = 1 + 1e-9;  // 3 * 0.1 is more than 0.3
  if (limits_.max_cost_per_hour && cost > *limits_.max_cost_per_hour * rounding)
    return "a further one would cost " + in_words(cost) + " by the hour with the " +
           std::to_string(count - 1) + " that there are" + among + ", and max_cost_per_hour is " +
           in_words(*limits_.max_cost_per_hour);
  return {};
}

void launch_ledger::served(std::uint64_t start) {
  if (!instances_.contains(start)) return;
  failures_ = 0;
  not_before_ = 0;
}

void launch_ledger::ended(std::int64_t now, std::uint64_t start, bool failed) {
  auto const gone = instances_.extract(start);
  if (gone.empty() || !failed || gone.mapped().round != rounds_) return;
  ++rounds_;
  not_before_ = now + pause_after(failures_++);
}

bool launch_ledger::stop(std::uint64_t start) {
  auto const found = instances_.find(start);
  return found != instances_.end() && !std::exchange(found->second.stopping, true);
}

bool launch_ledger::stop_refused(std::int64_t now, std::uint64_t start) {
  auto const found = instances_.find(start);
  if (found == instances_.end()) return false;
  auto& one = found->second;
  one.stop_again = now + pause_after(one.refusals);
  return one.refusals++ == 0;
}

std::vector<std::uint64_t> launch_ledger::stops_due(std::int64_t now) {
  std::vector<std::uint64_t> due;
  for (auto& [start, one] : instances_) {
    if (one.stop_again > now) continue;
    one.stop_again = never;
    due.push_back(start);
  }
  return due;
}

std::int64_t launch_ledger::next_deadline() const {
  auto next = never;
  for (auto const& [start, one] : instances_) next = std::min(next, one.stop_again);
  return next;
}

std::size_t launch_ledger::refusing() const noexcept {
  return static_cast<std::size_t>(std::count_if(instances_.begin(), instances_.end(),
                                                [](auto const& one) { return one.second.refusals != 0; }));
}

std::int64_t launch_ledger::pause_after(int failures) const noexcept {
  auto pause = limits_.first_pause;
  for (; failures > 0 && pause < limits_.longest_pause; --failures) pause *= 2;
  return std::min(pause, limits_.longest_pause);
}

}  // namespace yonder::driver
