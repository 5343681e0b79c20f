// SPDX-License-Identifier: Apache-2.0
//
// promise 17: a journal on a disk that loses, tears and reorders what was not synced, at thousands of places.
#include <doctest/doctest.h>

#include <random>
#include <string>
#include <vector>

#include "src/journal/store.hpp"
#include "tests/unit/journal/oracle.hpp"
#include "tests/unit/journal/unreliable_disk.hpp"

namespace {

using namespace yonder::journal;
using namespace yonder::journal::testing;
using yonder::core::call_id;

// What an owner says, at random, of calls that it has.
class owner {
 public:
  explicit owner(std::uint64_t seed) : random_(seed) {}

  std::vector<said> batch(oracle const& known) {
    std::vector<said> made;
    oracle after = known;
    for (auto left = 1 + random_() % 5; left != 0; --left) {
      made.push_back(one(after));
      after.apply(made.back());
    }
    return made;
  }
  std::uint64_t below(std::uint64_t limit) { return random_() % limit; }

 private:
  said one(oracle const& known) {
    if (known.calls.empty() || below(3) == 0) return call();
    auto const& [picked, is] =
        *std::next(known.calls.begin(), static_cast<std::ptrdiff_t>(below(known.calls.size())));
    // The same state for as many calls behind it as have it, at most.
    std::uint32_t items = 1;
    while (items < 4) {
      auto const next = known.calls.find({picked.session, picked.number + items});
      if (next == known.calls.end() || next->second.is != is.is || !(next->second.first == is.first)) break;
      ++items;
    }
    items = 1 + static_cast<std::uint32_t>(below(items));
    if (is.is == kind::ended || below(12) == 0) return {kind::forgotten, picked, items, {}};
    if (is.is != kind::ended && below(is.is == kind::call ? 2 : 4) == 0)
      return {kind::started, picked, items, body()};
    return {kind::ended, picked, items, body()};
  }
  said call() {
    auto const session = 1 + below(3);
    auto const items = below(3) == 0 ? 1 + static_cast<std::uint32_t>(below(9)) : 1;
    auto const first = next_[session] + 1;
    next_[session] += items;
    return {kind::call, {session, first}, items, body()};
  }
  std::string body() {
    return std::string(below(2) == 0 ? below(20) : below(300), static_cast<char>('a' + below(26)));
  }

  std::mt19937_64 random_;
  std::map<std::uint64_t, std::uint64_t> next_;
};

// Opens the journal as often as the power goes meanwhile.
oracle recovered_state(unreliable_disk& disk, settings const& how, owner& says) {
  for (;;) {
    if (says.below(4) == 0) disk.lose_power_after(says.below(12));
    try {
      opened_store again(disk, how);
      disk.heal();
      auto const figures = again.files.figures();
      CHECK(figures.queued == again.told.count(kind::call));
      CHECK(figures.started == again.told.count(kind::started));
      CHECK(figures.ended == again.told.count(kind::ended));
      return again.told;
    } catch (power_lost) {
      disk.lose_power();
    }
  }
}

// One life of a journal, which ends at some operation of the disk. What was acknowledged stands in `state`.
void live(unreliable_disk& disk, settings const& how, owner& says, oracle& state) {
  std::vector<said> under_way;
  disk.lose_power_after(says.below(60));
  try {
    opened_store files(disk, how);
    for (;;) {
      under_way = says.batch(state);
      files.commit(under_way);
      for (auto const& each : under_way) state.apply(each);
      under_way.clear();
      if (says.below(8) == 0) files.files.sign();
      for (auto left = says.below(3); left != 0 && files.files.clean(1'000); --left) {
      }
    }
  } catch (power_lost) {
  }
  disk.lose_power();
  auto const found = recovered_state(disk, how, says);
  // All that was acknowledged, and of what was not, a beginning.
  bool as_promised = found == state;
  for (auto const& each : under_way) {
    if (as_promised) break;
    state.apply(each);
    as_promised = found == state;
  }
  REQUIRE(as_promised);
}

}  // namespace

TEST_CASE(
    "promise 17: after a power loss at any moment all that was acknowledged is there, and nothing else but "
    "what followed it") {
  constexpr std::uint64_t journals = YONDER_IS_SANITIZED ? 60 : 400;
  for (std::uint64_t seed = 0; seed < journals; ++seed) {
    CAPTURE(seed);
    unreliable_disk disk(seed);
    owner says(seed);
    disk.write_short(seed % 3 == 0);
    settings const how{.segment_bytes = 200 + 400 * (seed % 5), .clean_step = 100 + 300 * (seed % 4)};
    oracle state;
    for (int life = 0; life < 12; ++life) live(disk, how, says, state);
  }
}
