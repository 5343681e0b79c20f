// SPDX-License-Identifier: Apache-2.0
#include "src/core/pool_orders.hpp"

#include "src/core/metadata.hpp"
#include "src/core/plain_fields.hpp"

namespace yonder::core {
namespace {

// Nobody means more; so no sum of a few of them is too large.
constexpr std::uint64_t largest_number = 0xffff'ffff;

// A number and one more; 0: unset.
void put_optional(std::string& text, std::optional<std::size_t> const& number) {
  core::put(text, number ? std::uint64_t{*number} + 1 : std::uint64_t{0});
}

bool take_optional(field_reader& from, std::optional<std::size_t>& number) {
  std::uint64_t stated = 0;
  if (!from.take(stated) || stated > largest_number + 1) return false;
  if (stated != 0) number = static_cast<std::size_t>(stated - 1);
  return true;
}

void put_optional_time(std::string& text, std::optional<duration> const& time) {
  put_time(text, time.value_or(0), !time);
}

bool take_optional_time(field_reader& from, std::optional<duration>& time) {
  duration stated = -1;
  if (!from.take_time(stated, -1)) return false;
  if (stated >= 0) time = stated;
  return true;
}

}  // namespace

std::string encode_order(pool_order const& order) {
  std::string text;
  auto const& change = order.change;
  put_optional(text, change.min_workers);
  put_optional(text, change.max_workers);
  put_optional(text, change.spare);
  put_optional(text, change.max_queue);
  put_optional_time(text, change.scaledown_window);
  put_optional_time(text, change.park_window);
  core::put(text, std::uint64_t{order.count});
  put_text(text, order.name);
  return text + order.needs;
}

bool decode_order(std::span<std::byte const> payload, pool_order& order) {
  field_reader from(payload);
  auto& change = order.change;
  std::uint64_t count = 0;
  if (!take_optional(from, change.min_workers) || !take_optional(from, change.max_workers) ||
      !take_optional(from, change.spare) || !take_optional(from, change.max_queue) ||
      !take_optional_time(from, change.scaledown_window) || !take_optional_time(from, change.park_window) ||
      !from.take(count) || count > largest_number || !from.take_text(order.name) ||
      from.left() > max_requirements_size)
    return false;
  order.count = count;
  return from.take_text(order.needs, from.left());
}

std::string encode_pools(std::span<pool_census const> pools, bool with_why) {
  std::string text;
  core::put(text, static_cast<std::uint32_t>(pools.size()));
  for (auto const& one : pools) {
    put_text(text, one.name);
    put_text(text, one.needs);
    for (auto const number : {one.min_workers, one.max_workers, one.spare, one.max_queue, one.workers,
                              one.idle, one.starting, one.parked, one.queued})
      put(text, std::uint64_t{number});
    put_time(text, one.scaledown_window, false);
    put_time(text, one.park_window, false);
  }
  if (with_why)
    for (auto const& one : pools) put_text(text, one.why);
  return text;
}

bool decode_pools(std::span<std::byte const> payload, std::vector<pool_census>& pools) {
  field_reader from(payload);
  std::uint32_t count = 0;
  if (!from.take(count)) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& one = pools.emplace_back();
    if (!from.take_text(one.name) || !from.take_text(one.needs)) return false;
    for (auto* const number : {&one.min_workers, &one.max_workers, &one.spare, &one.max_queue, &one.workers,
                               &one.idle, &one.starting, &one.parked, &one.queued}) {
      std::uint64_t stated = 0;
      if (!from.take(stated)) return false;
      *number = stated;
    }
    if (!from.take_time(one.scaledown_window, 0) || !from.take_time(one.park_window, 0)) return false;
  }
  if (from.left() == 0) return true;  // not asked for, or by a hub that does not know it
  for (auto& one : pools)
    if (!from.take_text(one.why)) return false;
  return from.left() == 0;
}

}  // namespace yonder::core
