// SPDX-License-Identifier: Apache-2.0
#include "src/core/kept_results.hpp"

#include "src/core/check.hpp"

#include <iterator>
#include <utility>

namespace yonder::core {

kept_result& kept_results::add(call_id id, std::uint32_t count, std::string identity, std::string function,
                               frame_ref outcome, time_point until) {
  auto& kept = by_id_[id];
  YONDER_CHECK(!kept.outcome, "an outcome is kept twice");
  kept.id = id;
  kept.count = count;
  kept.identity = std::move(identity);
  kept.function = std::move(function);
  kept.range = {0, count, 0, outcome->payload().size()};
  kept.head = outcome->head;
  kept.outcome = std::move(outcome);
  read_items(*kept.outcome, kept.packed);
  kept.until = until;
  auto* place = by_time_.empty() ? nullptr : &by_time_.back();
  while (place != nullptr && place->until > until) place = by_time_.before(*place);
  if (place == nullptr)
    by_time_.push_front(kept);
  else
    by_time_.insert_after(*place, kept);
  calls_ += count;
  bytes_ += kept.bytes();
  return kept;
}

kept_result* kept_results::find(call_id id) {
  auto found = by_id_.upper_bound(id);
  if (found == by_id_.begin()) return nullptr;
  auto& kept = std::prev(found)->second;
  return kept.id.session == id.session && id.number - kept.id.number < kept.count ? &kept : nullptr;
}

bool kept_results::has_any(call_id first, std::uint32_t count) const {
  if (by_id_.empty()) return false;
  auto const found = by_id_.upper_bound({first.session, first.number + count - 1});
  if (found == by_id_.begin()) return false;
  auto const& kept = std::prev(found)->second;
  return kept.id.session == first.session && kept.id.number + kept.count > first.number;
}

// The first `at` of them go their own way.
kept_result& kept_results::split(kept_result& one, std::uint32_t at) {
  auto rest = by_id_.extract(one.id);
  auto const payload = one.packed.size_of(one.range.first, at);
  auto& front = by_id_[one.id];
  front.id = one.id;
  front.count = at;
  front.identity = one.identity;
  front.function = one.function;
  front.outcome = one.outcome;
  front.head = one.head;
  front.packed = one.packed;
  front.until = one.until;
  front.range = {one.range.first, at, one.range.offset, payload};
  bytes_ -= one.bytes();
  one.id.number += at;
  one.head.call = one.id;
  one.count -= at;
  one.range = {one.range.first + at, one.count, one.range.offset + payload, one.range.bytes - payload};
  bytes_ += front.bytes() + one.bytes();
  by_time_.insert_before(one, front);
  rest.key() = one.id;
  by_id_.insert(std::move(rest));
  return front;
}

kept_result& kept_results::isolate(kept_result& one, std::uint64_t number, std::uint32_t count) {
  if (auto const before = static_cast<std::uint32_t>(number - one.id.number); before != 0) split(one, before);
  return count == one.count ? one : split(one, count);
}

void kept_results::remove(kept_result& one) {
  calls_ -= one.count;
  bytes_ -= one.bytes();
  by_time_.remove(one);
  by_id_.erase(one.id);
}

kept_result* kept_results::expired(time_point now) {
  return !by_time_.empty() && by_time_.front().until <= now ? &by_time_.front() : nullptr;
}

time_point kept_results::next_due() const { return by_time_.empty() ? never : by_time_.front().until; }

std::pair<header, frame_ref> outcome_of(kept_result const& kept) {
  auto head = kept.head;
  if (kept.count == kept.packed.count) return {head, kept.outcome};
  frame_ref own(slice(*kept.outcome, kept.packed, kept.range));
  head.metadata_size = own->head.metadata_size;
  return {head, std::move(own)};
}

}  // namespace yonder::core
