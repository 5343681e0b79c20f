// SPDX-License-Identifier: Apache-2.0
#include "src/core/value_table.hpp"

#include "src/core/check.hpp"

#include <algorithm>

namespace yonder::core {

value_table::pin value_table::hold(value_key const& key) {
  ++record_of(key).uses;
  return {*this, key};
}

bool value_table::give(std::uint64_t session, value_key const& key) {
  auto& held = held_[session];
  if (held.size() >= most_held && !held.contains(key)) return false;
  ++held[key];
  ++record_of(key).uses;
  return true;
}

void value_table::take_back(std::uint64_t session, value_key const& key, std::uint32_t count) {
  auto const holder = held_.find(session);
  if (holder == held_.end()) return;
  auto const held = holder->second.find(key);
  if (held == holder->second.end()) return;
  count = std::min(count, held->second);
  held->second -= count;
  if (held->second == 0) holder->second.erase(held);
  if (holder->second.empty()) held_.erase(holder);
  leave(key, count);
}

void value_table::owner_is_done(value_key const& key) {
  auto& value = record_of(key);
  value.done = true;
  if (value.uses == 0) list(value);
}

void value_table::end(std::uint64_t session) {
  auto const holder = held_.find(session);
  if (holder == held_.end()) return;
  for (auto const& [key, count] : holder->second) leave(key, count);
  held_.erase(holder);
}

bool value_table::is_needed(std::uint64_t owner) const {
  auto const next = values_.lower_bound({owner, 0});
  return next != values_.end() && next->first.owner == owner;
}

std::optional<value_key> value_table::next_unused() {
  while (!unused_.empty()) {
    auto& value = unused_.front();
    unlist(value);
    if (value.uses != 0) continue;
    auto const key = value.key;
    auto const done = value.done;
    values_.erase(key);
    if (done) return key;
  }
  return std::nullopt;
}

value_table::record& value_table::record_of(value_key const& key) {
  auto& value = values_[key];
  value.key = key;
  return value;
}

void value_table::list(record& value) noexcept {
  if (!std::exchange(value.listed, true)) unused_.push_back(value);
}

void value_table::unlist(record& value) noexcept {
  if (std::exchange(value.listed, false)) unused_.remove(value);
}

void value_table::leave(value_key const& key, std::uint64_t count) noexcept {
  auto const found = values_.find(key);
  YONDER_CHECK(found != values_.end() && found->second.uses >= count, "a value has lost count of its uses");
  auto& value = found->second;
  value.uses -= count;
  if (value.uses == 0) list(value);
}

}  // namespace yonder::core
