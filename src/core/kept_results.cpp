// SPDX-License-Identifier: Apache-2.0
#include "src/core/kept_results.hpp"

#include "src/core/check.hpp"

#include <iterator>
#include <utility>

namespace yonder::core {

kept_result& kept_results::add(call_id id, std::uint32_t count, std::string_view identity,
                               std::string_view function, frame_ref outcome, time_point until,
                               std::size_t most) {
  auto& kept = by_id_[id];
  YONDER_CHECK(kept.owner == nullptr, "an outcome is kept twice");
  auto owner = owners_.find(identity);
  if (owner == owners_.end()) owner = owners_.try_emplace(std::string(identity)).first;
  owner->second.identity = owner->first;
  auto name = functions_.find(function);
  if (name == functions_.end()) name = functions_.emplace(function).first;
  kept.id = id;
  kept.count = count;
  kept.failed = outcome->head.type == frame_type::error;
  kept.attempt = outcome->head.attempt;
  kept.function = &*name;
  kept.until = until;
  kept.owner = &owner->second;
  kept.owner->calls += count;
  kept.owner->results.push_back(kept);
  auto& body = bodies_.emplace_back();
  body.place = std::prev(bodies_.end());
  body.head = outcome->head;
  body.outcome = std::move(outcome);
  read_items(*body.outcome, body.packed);
  body.id = id;
  body.left = count;
  body_bytes_ += size_of(*body.outcome);
  kept.body = &body;
  auto* place = by_time_.empty() ? nullptr : &by_time_.back();
  while (place != nullptr && place->until > until) place = by_time_.before(*place);
  if (place == nullptr)
    by_time_.push_front(kept);
  else
    by_time_.insert_after(*place, kept);
  calls_ += count;
  give_room(most);
  return kept;
}

void kept_results::give_room(std::size_t most) {
  while (body_bytes_ > most) {
    auto& oldest = bodies_.front();
    auto one = by_id_.lower_bound(oldest.id);
    while (oldest.left != 0) {
      if (one->second.body == &oldest) {
        oldest.left -= one->second.count;
        one->second.body = nullptr;
      }
      ++one;
    }
    let_go(oldest);
  }
}

void kept_results::let_go(kept_body& body) {
  body_bytes_ -= size_of(*body.outcome);
  bodies_.erase(body.place);
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
  auto& front = by_id_[one.id];
  front.id = one.id;
  front.count = at;
  front.failed = one.failed;
  front.attempt = one.attempt;
  front.owner = one.owner;
  front.function = one.function;
  front.body = one.body;
  front.until = one.until;
  one.id.number += at;
  one.count -= at;
  by_time_.insert_before(one, front);
  one.owner->results.insert_before(one, front);
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
  if (one.body != nullptr && (one.body->left -= one.count) == 0) let_go(*one.body);
  auto& owner = *one.owner;
  owner.calls -= one.count;
  owner.results.remove(one);
  by_time_.remove(one);
  by_id_.erase(one.id);
  if (owner.results.empty()) owners_.erase(owners_.find(owner.identity));
}

kept_result* kept_results::expired(time_point now) {
  return !by_time_.empty() && by_time_.front().until <= now ? &by_time_.front() : nullptr;
}

time_point kept_results::next_due() const { return by_time_.empty() ? never : by_time_.front().until; }

frame_ref outcome_of(kept_body const& body, call_id first, std::uint32_t count, header& head) {
  head = body.head;
  head.call = first;
  if (count == body.packed.count) return body.outcome;
  auto const at = static_cast<std::uint32_t>(first.number - body.id.number);
  auto const sized = body.packed.sizes != nullptr;
  items_range const range{at, count, sized ? body.packed.size_of(0, at) : 0,
                          sized ? body.packed.size_of(at, count) : 0};
  frame_ref own(slice(*body.outcome, body.packed, range));
  head.metadata_size = own->head.metadata_size;
  return own;
}

}  // namespace yonder::core
