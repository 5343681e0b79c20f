// SPDX-License-Identifier: Apache-2.0
#include "src/journal/ledger.hpp"

#include <doctest/doctest.h>

#include <random>
#include <vector>

#include "tests/unit/journal/oracle.hpp"

namespace {

using namespace yonder::journal;
using namespace yonder::journal::testing;
using yonder::core::call_id;

record made(kind what, call_id call, std::uint32_t items = 1, std::uint32_t size = 0, std::int64_t time = 1) {
  record it;
  it.what = what;
  it.call = call;
  it.items = items;
  it.size = size;
  it.time = time;
  return it;
}

struct tried {
  ledger counts;
  std::uint32_t next = 6;
  place apply(record const& what) {
    place const at{1, next};
    next += static_cast<std::uint32_t>(size_on_disk(what.size) / 8);
    counts.apply(what, at);
    return at;
  }
};

}  // namespace

TEST_CASE("a call counts until it has ended, its outcome until that is forgotten") {
  tried it;
  auto const call = made(kind::call, {7, 1}, 1, 100);
  auto const at = it.apply(call);
  CHECK(it.counts.counts(call, at));
  CHECK(it.counts.live_bytes() == size_on_disk(100));
  auto const started = made(kind::started, {7, 1});
  auto const started_at = it.apply(started);
  CHECK(it.counts.counts(call, at));
  CHECK(it.counts.counts(started, started_at));
  auto const ended = made(kind::ended, {7, 1}, 1, 8);
  auto const ended_at = it.apply(ended);
  CHECK_FALSE(it.counts.counts(call, at));
  CHECK_FALSE(it.counts.counts(started, started_at));
  CHECK(it.counts.counts(ended, ended_at));
  CHECK(it.counts.live_bytes() == size_on_disk(8));
  it.apply(made(kind::forgotten, {7, 1}));
  CHECK_FALSE(it.counts.counts(ended, ended_at));
  CHECK(it.counts.live_bytes() == 0);
  CHECK(it.counts.live_bytes(1) == 0);
}

TEST_CASE("a pack counts until the last of its calls has ended") {
  tried it;
  auto const pack = made(kind::call, {7, 1}, 4, 100);
  auto const at = it.apply(pack);
  it.apply(made(kind::ended, {7, 2}, 2));
  CHECK(it.counts.counts(pack, at));
  auto const gone = made(kind::forgotten, {7, 3});
  auto const gone_at = it.apply(gone);
  CHECK(it.counts.counts(gone, gone_at));  // as long as the pack would bring the call back
  CHECK(it.counts.queued() == 2);
  CHECK(it.counts.ended() == 1);
  it.apply(made(kind::ended, {7, 4}));
  CHECK(it.counts.counts(pack, at));
  it.apply(made(kind::ended, {7, 1}));
  CHECK_FALSE(it.counts.counts(pack, at));
  CHECK(it.counts.counts(gone, gone_at));  // and the outcome of two and three
  it.apply(made(kind::forgotten, {7, 1}, 2));
  CHECK_FALSE(it.counts.counts(gone, gone_at));
  CHECK(it.counts.live_bytes() == size_on_disk(0));
}

TEST_CASE("what is forgotten of two packs at once is forgotten of that which still counts") {
  tried it;
  it.apply(made(kind::call, {7, 1}, 4));
  it.apply(made(kind::call, {7, 5}, 4));
  it.apply(made(kind::ended, {7, 1}, 4));
  auto const gone = made(kind::forgotten, {7, 1}, 6);
  auto const at = it.apply(gone);
  CHECK(it.counts.queued() == 2);
  CHECK(it.counts.counts(gone, at));
  auto const other = made(kind::forgotten, {6, 1}, 6);
  CHECK_FALSE(it.counts.counts(other, it.apply(other)));
}

TEST_CASE("the first outcome stays, and a call that is known is not taken twice") {
  tried it;
  auto const call = made(kind::call, {7, 1}, 1, 10);
  auto const at = it.apply(call);
  auto const again = it.apply(call);
  CHECK(it.counts.counts(call, at));
  CHECK_FALSE(it.counts.counts(call, again));
  auto const first = made(kind::ended, {7, 1}, 1, 16);
  auto const first_at = it.apply(first);
  auto const second = it.apply(first);
  CHECK(it.counts.counts(first, first_at));
  CHECK_FALSE(it.counts.counts(first, second));
  CHECK(it.counts.live_bytes() == size_on_disk(16));
  it.apply(made(kind::ended, {7, 1}, 3, 24));  // of three calls, one of which had ended
  CHECK(it.counts.ended() == 3);
  CHECK(it.counts.find({7, 1}).at == first_at);
  auto const three = it.counts.find({7, 2}).at;
  it.counts.moved(made(kind::ended, {7, 1}, 3, 24), three, {2, 6});
  CHECK(it.counts.find({7, 1}).at == first_at);
  CHECK(it.counts.find({7, 3}).at == place{2, 6});
  CHECK(it.counts.live_bytes(1) == size_on_disk(16));
  CHECK(it.counts.live_bytes(2) == size_on_disk(24));
}

TEST_CASE("outcomes are forgotten when their time is over, the oldest first") {
  tried it;
  it.apply(made(kind::call, {7, 1}, 3, 8));
  it.apply(made(kind::ended, {7, 1}, 1, 8, 100));
  it.apply(made(kind::ended, {7, 2}, 2, 8, 200));
  CHECK(it.counts.expire(99).empty());
  auto const first = it.counts.expire(150);
  REQUIRE(first.size() == 1);
  CHECK(first[0].first == call_id{7, 1});
  it.apply(made(kind::forgotten, {7, 2}));
  auto const second = it.counts.expire(200);
  REQUIRE(second.size() == 1);
  CHECK(second[0].first == call_id{7, 3});
  CHECK(it.counts.live_bytes() == 0);
  it.apply(made(kind::ended, {8, 1}, 1, 8, 400));
  it.apply(made(kind::ended, {8, 1}, 3, 8, 300));  // of two more calls
  CHECK(it.counts.expire(300).size() == 0);        // behind the other in the journal
  CHECK(it.counts.expire(400).size() == 2);
}

TEST_CASE("any sequence of records leaves what is known plainly, and each byte that counts counted") {
  for (std::uint64_t seed = 0; seed < 60; ++seed) {
    CAPTURE(seed);
    std::mt19937_64 random(seed);
    tried it;
    oracle plain;
    struct applied {
      record what;
      place at;
    };
    std::vector<applied> records;
    for (int step = 0; step < 300; ++step) {
      auto what =
          made(static_cast<kind>(1 + random() % 4), {random() % 2, 1 + random() % 40},
               1 + static_cast<std::uint32_t>(random() % 6), static_cast<std::uint32_t>(random() % 50));
      auto const known = [&](call_id const& call) { return plain.calls.count(call) != 0; };
      bool any = false;
      bool all = true;
      for (std::uint32_t i = 0; i < what.items; ++i) {
        any = any || known({what.call.session, what.call.number + i});
        all = all && known({what.call.session, what.call.number + i});
      }
      if (what.what == kind::call && any) continue;
      if (what.what == kind::started && !all) continue;
      records.push_back({what, it.apply(what)});
      plain.apply({what.what, what.call, what.items, std::to_string(records.size())});
    }
    CHECK(it.counts.queued() == plain.count(kind::call));
    CHECK(it.counts.started() == plain.count(kind::started));
    CHECK(it.counts.ended() == plain.count(kind::ended));
    std::uint64_t live = 0;
    for (std::size_t i = 0; i < records.size(); ++i) {
      auto const& [what, at] = records[i];
      bool counts = false;
      for (auto const& [call, is] : plain.calls) counts = counts || is.body == std::to_string(i + 1);
      if (what.what == kind::call || what.what == kind::ended) CHECK(it.counts.counts(what, at) == counts);
      if (counts) live += size_on_disk(what.size);
    }
    CHECK(it.counts.live_bytes(1) == live);
  }
}

TEST_CASE("a call that waits takes less than a hundred bytes of memory, and one that is forgotten none") {
  ledger counts;
  constexpr std::uint32_t calls = 100'000;
  std::mt19937_64 random(1);
  std::vector<call_id> ids;
  std::map<std::uint64_t, std::uint64_t> next;
  for (std::uint32_t i = 0; i < calls; ++i) {
    auto const session = random() % 100;
    ids.push_back({session, ++next[session]});
    counts.apply(made(kind::call, ids.back(), 1, 64), {1, 6 + i * 17});
  }
  CHECK(counts.memory() / calls < 100);
  MESSAGE("bytes a call: ", static_cast<double>(counts.memory()) / calls);
  std::shuffle(ids.begin(), ids.end(), random);
  for (auto const& each : ids) {
    counts.apply(made(kind::ended, each), {2, 6});
    counts.apply(made(kind::forgotten, each), {2, 16});
  }
  CHECK(counts.memory() < 100'000);
}

TEST_CASE("of several records of a start the last one counts, for each call by itself") {
  tried it;
  it.apply(made(kind::call, {7, 1}, 8, 100));
  auto const first = made(kind::started, {7, 1}, 8, 8);
  auto const first_at = it.apply(first);
  auto const second = made(kind::started, {7, 3}, 2, 8);
  auto const second_at = it.apply(second);
  CHECK(it.counts.counts(first, first_at));
  CHECK(it.counts.counts(second, second_at));
  auto const parts = it.counts.starts({7, 2}, 6);
  REQUIRE(parts.size() == 3);
  CHECK(parts[0].first == call_id{7, 2});
  CHECK(parts[0].items == 1);
  CHECK(parts[0].at == first_at);
  CHECK(parts[1].first == call_id{7, 3});
  CHECK(parts[1].items == 2);
  CHECK(parts[1].at == second_at);
  CHECK(parts[2].first == call_id{7, 5});
  CHECK(parts[2].items == 3);
  it.apply(made(kind::ended, {7, 4}, 5, 8));
  CHECK(it.counts.starts({7, 1}, 8).size() == 2);
  it.apply(made(kind::ended, {7, 3}, 1, 8));
  CHECK_FALSE(it.counts.counts(second, second_at));
  it.apply(made(kind::forgotten, {7, 1}, 8));
  CHECK(it.counts.starts({7, 1}, 8).empty());
}
