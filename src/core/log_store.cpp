// SPDX-License-Identifier: Apache-2.0
#include "src/core/log_store.hpp"

#include <algorithm>
#include <utility>

namespace yonder::core {
namespace {

// What the tables take beside the text, about.
constexpr std::size_t entry_overhead = 256;
constexpr std::size_t call_overhead = 256;

}  // namespace

std::size_t log_store::cost_of(entry const& one) noexcept {
  return entry_overhead + one.text.size() + one.worker.size() + one.identity.size() +
         one.calls.size() * call_overhead;
}

void log_store::add(entry said, std::uint64_t skipped) {
  auto const number = ++last_;
  auto const size = said.text.size();
  for (auto const& call : said.calls) {
    auto& log = calls_[call];
    log.identity = said.identity;
    log.printed += skipped;
    if (call == said.calls.front()) said.at = log.printed;
    log.places.push_back({number, log.printed});
    log.printed += size;
    log.kept += size;
  }
  bytes_ += cost_of(said);
  auto const& kept = entries_.emplace(number, std::move(said)).first->second;
  for (auto const& call : std::vector<call_id>(kept.calls))
    for (auto log = calls_.find(call); log != calls_.end() && log->second.kept > most_of_call_ &&
                                       log->second.places.front().number != number;)
      drop(log->second.places.front().number);
  while (bytes_ > most_ && entries_.size() > 1) drop(entries_.begin()->first);
}

void log_store::drop(std::uint64_t number) {
  auto const found = entries_.find(number);
  auto const& gone = found->second;
  for (auto const& call : gone.calls) {
    auto const log = calls_.find(call);
    auto& places = log->second.places;
    auto const place = std::lower_bound(places.begin(), places.end(), number,
                                        [](auto const& one, auto wanted) { return one.number < wanted; });
    places.erase(place);
    log->second.kept -= gone.text.size();
    if (places.empty()) calls_.erase(log);
  }
  bytes_ -= cost_of(gone);
  entries_.erase(found);
}

bool log_store::read(call_id call, std::uint64_t after, visitor const& visit) const {
  auto const log = calls_.find(call);
  if (log == calls_.end()) return false;
  auto const& places = log->second.places;
  auto place = std::upper_bound(places.begin(), places.end(), after,
                                [](auto wanted, auto const& one) { return wanted < one.number; });
  for (; place != places.end(); ++place)
    if (!visit(place->number, entries_.at(place->number), place->at)) break;
  return true;
}

std::uint64_t log_store::read_all(std::uint64_t after, visitor const& visit) const {
  std::size_t scanned = 0;
  auto seen = std::max(after, entries_.empty() ? last_ : entries_.begin()->first - 1);
  for (auto one = entries_.upper_bound(after); one != entries_.end() && scanned < most_scanned;
       ++one, ++scanned) {
    if (!visit(one->first, one->second, one->second.at)) break;
    seen = one->first;
  }
  return std::min(seen, last_);
}

std::string const* log_store::owner(call_id call) const {
  auto const log = calls_.find(call);
  return log == calls_.end() ? nullptr : &log->second.identity;
}

void log_store::give(call_id call, std::string_view identity) {
  auto const log = calls_.find(call);
  if (log == calls_.end()) return;
  log->second.identity = identity;
  for (auto const& place : log->second.places) {
    auto& one = entries_.at(place.number);
    bytes_ += identity.size() - one.identity.size();
    one.identity = identity;
  }
}

}  // namespace yonder::core
