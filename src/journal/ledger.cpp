// SPDX-License-Identifier: Apache-2.0
#include "src/journal/ledger.hpp"

#include <algorithm>
#include <utility>

namespace yonder::journal {
namespace {

constexpr std::size_t chunk_pieces = 128;
constexpr place nowhere_behind{0xffff'ffff, 0xffff'ffff};

core::call_id plus(core::call_id const& call, std::uint64_t items) noexcept {
  return {call.session, call.number + items};
}

core::call_id end_of(ledger::piece const& what) noexcept { return plus(what.first, what.items); }

std::uint32_t distance(core::call_id const& from, core::call_id const& to) noexcept {
  return static_cast<std::uint32_t>(to.number - from.number);
}

std::uint32_t units_of(record const& what) noexcept {
  return static_cast<std::uint32_t>(size_on_disk(what.size) / 8);
}

// The part of `what` from `first` up to `end`, which overlap it.
ledger::piece cut(ledger::piece what, core::call_id const& first, core::call_id const& end) noexcept {
  auto const begin = std::max(what.first, first);
  what.items = distance(begin, std::min(end_of(what), end));
  what.first = begin;
  return what;
}

auto first_that_ends_behind(std::vector<ledger::piece> const& pieces, core::call_id const& call) {
  return std::partition_point(pieces.begin(), pieces.end(),
                              [&](auto const& each) { return end_of(each) <= call; });
}

}  // namespace

void ledger::apply(record const& what, place at) {
  switch (what.what) {
    case kind::call:
      if (what.copy)
        for (auto const& gone : take(what.call, what.items)) release(gone);
      else if (!pieces(what.call, what.items).empty())
        return;
      forget_starts(what.call, what.items);
      refer(what, at, what.items);
      put({what.call, at, units_of(what), what.items, state::queued, what.items != 1});
      return;
    case kind::started: return begin(what, at);
    case kind::ended: forget_starts(what.call, what.items); return end(what, at);
    case kind::forgotten:
      forget_starts(what.call, what.items);
      for (auto const& gone : take(what.call, what.items)) release(gone);
      return;
  }
}

// Calls that nothing is known of are kept: a copy of their record may follow.
void ledger::begin(record const& what, place at) {
  if (auto* const known = exactly(what.call, what.items)) {
    if (known->is == state::ended) return;
    count(*known, -1);
    known->is = state::started;
    count(*known, 1);
    forget_starts(what.call, what.items);
    starts_[what.call] = {what.call, what.items, at, units_of(what)};
    return;
  }
  forget_starts(what.call, what.items);
  auto next = what.call;
  auto const end = plus(what.call, what.items);
  for (auto each : take(what.call, what.items)) {
    if (next < each.first) put({next, {}, 0, distance(next, each.first), state::started});
    next = end_of(each);
    if (each.is == state::queued) each.is = state::started;
    put(each);
  }
  if (next < end) put({next, {}, 0, distance(next, end), state::started});
  for (auto const& each : pieces(what.call, what.items))
    if (each.is == state::started) starts_[each.first] = {each.first, each.items, at, units_of(what)};
}

std::vector<ledger::start> ledger::starts(core::call_id const& first, std::uint32_t items) const {
  auto const last = plus(first, items);
  std::vector<start> found;
  auto next = starts_.upper_bound(first);
  if (next != starts_.begin()) --next;
  for (; next != starts_.end() && next->first < last; ++next) {
    auto one = next->second;
    auto const behind = plus(one.first, one.items);
    if (behind <= first) continue;
    one.first = std::max(one.first, first);
    one.items = distance(one.first, std::min(behind, last));
    found.push_back(one);
  }
  return found;
}

void ledger::forget_starts(core::call_id const& first, std::uint32_t items) {
  auto const last = plus(first, items);
  auto next = starts_.upper_bound(first);
  if (next != starts_.begin()) --next;
  while (next != starts_.end() && next->first < last) {
    auto const one = next->second;
    auto const behind = plus(one.first, one.items);
    if (behind <= first) {
      ++next;
      continue;
    }
    next = starts_.erase(next);
    if (one.first < first) starts_[one.first] = {one.first, distance(one.first, first), one.at, one.units};
    if (last < behind) starts_[last] = {last, distance(last, behind), one.at, one.units};
  }
}

void ledger::end(record const& what, place at) {
  if (auto* const known = exactly(what.call, what.items)) {
    if (known->is == state::ended) return;
    release(*known);
    count(*known, -1);
    *known = {what.call, at, units_of(what), what.items, state::ended, what.items != 1};
    count(*known, 1);
    refer(what, at, what.items);
    remember(*known, what.time);
    return;
  }
  auto const last = plus(what.call, what.items);
  auto kept = take(what.call, what.items);
  std::uint32_t items = what.items;
  for (auto const& each : kept)
    if (each.is == state::ended) items -= each.items;
  if (items != 0) refer(what, at, items);
  auto next = what.call;
  auto const cover = [&](core::call_id const& until) {
    if (next == until) return;
    piece const covered{next, at, units_of(what), distance(next, until), state::ended, what.items != 1};
    put(covered);
    remember(covered, what.time);
  };
  for (auto const& each : kept) {
    if (each.is != state::ended) {
      release(each);
      continue;
    }
    cover(each.first);
    put(each);
    next = end_of(each);
  }
  cover(last);
}

void ledger::remember(piece const& ended, std::int64_t time) {
  by_time_.push_back({time, ended.first, ended.items});
  if (by_time_.size() < 2 * ended_pieces_ + 1024) return;
  std::erase_if(by_time_, [&](outcome const& each) {
    auto const known = pieces(each.first, each.items);
    return std::none_of(known.begin(), known.end(), [](auto const& one) { return one.is == state::ended; });
  });
}

void ledger::moved(record const& what, place from, place to) {
  if (what.what == kind::started) {
    for (auto one : starts(what.call, what.items)) {
      if (one.at != from) continue;
      forget_starts(one.first, one.items);
      one.at = to;
      starts_[one.first] = one;
    }
    return;
  }
  auto const ended = what.what == kind::ended;
  bool counted = false;
  for (auto each : take(what.call, what.items)) {
    if (each.at == from && (each.is == state::ended) == ended) {
      each.at = to;
      counted = true;
    }
    put(each);
  }
  if (!counted) return;
  live(from.segment, units_of(what), -1);
  live(to.segment, units_of(what), 1);
  auto& records = shared_of(ended ? state::ended : state::queued);
  auto node = records.extract({what.call, from});
  if (node.empty()) return;
  node.key().second = to;
  records.insert(std::move(node));
}

std::vector<ledger::calls> ledger::expire(std::int64_t until) {
  std::vector<calls> expired;
  while (!by_time_.empty() && by_time_.front().time <= until) {
    auto const oldest = by_time_.front();
    by_time_.pop_front();
    for (auto const& each : take(oldest.first, oldest.items)) {
      if (each.is != state::ended) {
        put(each);
        continue;
      }
      release(each);
      expired.push_back({each.first, each.items});
    }
  }
  return expired;
}

void ledger::sort_outcomes() {
  std::stable_sort(by_time_.begin(), by_time_.end(),
                   [](auto const& a, auto const& b) { return a.time < b.time; });
}

bool ledger::counts(record const& what, place at) const {
  bool found = false;
  if (what.what == kind::started) {  // a later one may say more of some
    auto const later = starts(what.call, what.items);
    std::uint32_t others = 0;
    for (auto const& one : later) {
      if (one.at == at) return true;
      others += one.items;
    }
    std::uint32_t all = 0;
    each(what.call, what.items, [&](piece const& known) {
      if (known.is == state::started) all += cut(known, what.call, plus(what.call, what.items)).items;
    });
    return all > others;
  }
  if (what.what == kind::forgotten) {
    for (auto const* records : {&packs_, &outcomes_}) {
      auto const behind = records->lower_bound({plus(what.call, what.items), {}});
      found = found ||
              (behind != records->begin() && std::prev(behind)->first.first.session == what.call.session);
    }
    return found;
  }
  each(what.call, what.items, [&](piece const& known) {
    switch (what.what) {
      case kind::call: found = found || (known.is != state::ended && known.at == at); break;
      default: found = found || (known.is == state::ended && known.at == at); break;
    }
  });
  return found;
}

ledger::piece ledger::find(core::call_id const& call) const {
  piece found;
  each(call, 1, [&](piece const& known) { found = known; });
  return found;
}

std::vector<ledger::piece> ledger::pieces(core::call_id const& first, std::uint32_t items) const {
  std::vector<piece> found;
  each(first, items, [&](piece const& known) { found.push_back(cut(known, first, plus(first, items))); });
  return found;
}

ledger::piece ledger::stray() const {
  for (auto const& [first, pieces] : chunks_)
    for (auto const& each : pieces)
      if (each.units == 0) return each;
  return {};
}

std::size_t ledger::memory() const noexcept {
  constexpr std::size_t node = 32;  // of a map, beside what it holds
  auto total = (packs_.size() + outcomes_.size()) * (sizeof(shared_records::value_type) + node) +
               starts_.size() * (sizeof(decltype(starts_)::value_type) + node) +
               by_time_.size() * sizeof(outcome);
  for (auto const& [first, pieces] : chunks_)
    total += sizeof(decltype(chunks_)::value_type) + node + pieces.capacity() * sizeof(piece);
  return total;
}

template <class Visit>
void ledger::each(core::call_id const& first, std::uint32_t items, Visit visit) const {
  auto const end = plus(first, items);
  auto next = chunks_.upper_bound(first);
  if (next != chunks_.begin()) --next;
  for (; next != chunks_.end() && next->first < end; ++next)
    for (auto at = first_that_ends_behind(next->second, first); at != next->second.end() && at->first < end;
         ++at)
      visit(*at);
}

// What is known of these calls; it is no longer.
std::vector<ledger::piece> ledger::take(core::call_id const& first, std::uint32_t items) {
  auto const end = plus(first, items);
  std::vector<piece> taken;
  std::vector<piece> rest;  // of pieces that overlap the borders
  auto next = chunks_.upper_bound(first);
  if (next != chunks_.begin()) --next;
  while (next != chunks_.end() && next->first < end) {
    auto& pieces = next->second;
    auto const begin = pieces.begin() + (first_that_ends_behind(pieces, first) - pieces.cbegin());
    auto last = begin;
    for (; last != pieces.end() && last->first < end; ++last) {
      count(*last, -1);
      taken.push_back(cut(*last, first, end));
      if (last->first < first) rest.push_back(cut(*last, last->first, first));
      if (end < end_of(*last)) rest.push_back(cut(*last, end, end_of(*last)));
    }
    pieces.erase(begin, last);
    if (pieces.size() < pieces.capacity() / 4) pieces.shrink_to_fit();
    if (pieces.empty()) {
      next = chunks_.erase(next);
    } else if (pieces.front().first != next->first) {  // its key is its first piece's
      auto node = chunks_.extract(next);
      node.key() = node.mapped().front().first;
      next = std::next(chunks_.insert(std::move(node)).position);
    } else {
      ++next;
    }
  }
  for (auto const& each : rest) put(each);
  return taken;
}

// Precondition: nothing is known of these calls.
void ledger::put(piece const& what) {
  count(what, 1);
  insert(what);
}

void ledger::insert(piece const& what) {
  auto next = chunks_.upper_bound(what.first);
  if (next == chunks_.begin()) {
    chunks_[what.first].push_back(what);
    return;
  }
  auto& pieces = std::prev(next)->second;
  auto const at = pieces.begin() + (first_that_ends_behind(pieces, what.first) - pieces.cbegin());
  if (pieces.size() < chunk_pieces) {
    pieces.insert(at, what);
    return;
  }
  // Calls come in the order of their numbers, session by session: full chunks are left behind.
  chunk behind(at, pieces.end());
  pieces.erase(at, pieces.end());
  if (!behind.empty()) {
    auto const first = behind.front().first;
    chunks_.emplace(first, std::move(behind));
  }
  if (pieces.size() < chunk_pieces)
    pieces.push_back(what);
  else
    chunks_[what.first].push_back(what);
}

ledger::piece* ledger::exactly(core::call_id const& first, std::uint32_t items) noexcept {
  auto next = chunks_.upper_bound(first);
  if (next == chunks_.begin()) return nullptr;
  auto& pieces = std::prev(next)->second;
  auto const at = pieces.begin() + (first_that_ends_behind(pieces, first) - pieces.cbegin());
  return at != pieces.end() && at->first == first && at->items == items ? &*at : nullptr;
}

void ledger::count(piece const& what, int sign) noexcept {
  auto const add = [&](std::uint64_t& to, std::uint64_t number) {
    to = sign > 0 ? to + number : to - number;
  };
  add(what.is == state::queued ? queued_ : what.is == state::started ? started_ : ended_, what.items);
  if (what.is == state::started) add(started_pieces_, 1);
  if (what.is == state::ended) add(ended_pieces_, 1);
}

// `items` of the record's calls are such that it counts for them.
void ledger::refer(record const& what, place at, std::uint32_t items) {
  live(at.segment, units_of(what), 1);
  if (what.items == 1) return;
  auto& records = shared_of(what.what == kind::ended ? state::ended : state::queued);
  records.insert_or_assign({what.call, at}, shared_record{what.items, items});
}

// The record counts for these calls no longer.
void ledger::release(piece const& what) {
  if (what.units == 0) return;
  if (what.shared) {
    // The last that begins before them, where no two overlap.
    auto& records = shared_of(what.is);
    auto found = records.upper_bound({what.first, nowhere_behind});
    do --found;
    while (found->first.second != what.at);
    if ((found->second.left -= what.items) != 0) return;
    records.erase(found);
  }
  live(what.at.segment, what.units, -1);
}

void ledger::live(std::uint32_t segment, std::uint32_t units, int sign) {
  auto& here = live_in_[segment];
  here = sign > 0 ? here + units : here - units;
  live_units_ = sign > 0 ? live_units_ + units : live_units_ - units;
  if (here == 0) live_in_.erase(segment);
}

std::uint64_t ledger::live_bytes(std::uint32_t segment) const {
  auto const found = live_in_.find(segment);
  return found == live_in_.end() ? 0 : found->second * 8;
}

}  // namespace yonder::journal
