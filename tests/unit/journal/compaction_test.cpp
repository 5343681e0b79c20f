// SPDX-License-Identifier: Apache-2.0
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

std::string_view text_of(stored const& found) {
  return {reinterpret_cast<char const*>(found.body().data()), found.body().size()};
}

}  // namespace

TEST_CASE("files take twice what counts and a few segments at most, however long it goes on") {
  constexpr std::uint64_t segment = 4096;
  unreliable_disk disk;
  opened_store made(disk, {.segment_bytes = segment, .clean_step = 1000});
  std::mt19937_64 random(1);
  std::vector<std::uint64_t> waiting;
  oracle known;
  for (std::uint64_t i = 1; i <= 2'000; ++i) {
    std::vector<said> batch{{kind::call, {7, i}, 1, std::string(random() % 200, 'x')}};
    waiting.push_back(i);
    while (waiting.size() > 30) {
      auto const picked = waiting.begin() + static_cast<std::ptrdiff_t>(random() % waiting.size());
      batch.push_back({kind::ended, {7, *picked}, 1, "value"});
      batch.push_back({kind::forgotten, {7, *picked}, 1, {}});
      waiting.erase(picked);
    }
    for (auto const& each : batch) known.apply(each);
    made.commit(batch);
    while (made.files.clean(1'000)) {
    }
    auto const figures = made.files.figures();
    REQUIRE(figures.bytes <= 2 * figures.live_bytes + 3 * segment);
  }
  CHECK(opened_store(disk, {.segment_bytes = segment}).told == known);
}

TEST_CASE("compaction keeps each record that counts once, and nothing else") {
  unreliable_disk disk;
  oracle known;
  {
    opened_store made(disk, {.segment_bytes = 1'000});
    for (auto const& batch : std::vector<std::vector<said>>{
             {{kind::call, {7, 1}, 6, "six calls"}, {kind::call, {7, 7}, 1, "gone"}},
             {{kind::ended, {7, 2}, 2, "two outcomes"}, {kind::started, {7, 4}}, {kind::ended, {7, 7}}},
             {{kind::forgotten, {7, 3}},
              {kind::forgotten, {7, 7}},
              {kind::call, {8, 1}, 1, std::string(500, 'y')}},
             {{kind::ended, {8, 1}, 1, "last"}}}) {
      made.commit(batch);
      for (auto const& each : batch) known.apply(each);
    }
    made.files.compact();
    auto const counted = size_on_disk(9) + size_on_disk(12) + size_on_disk(4);  // the pack and two outcomes
    auto const told = 2 * size_on_disk(0);                                      // started, and forgotten
    auto const figures = made.files.figures();
    CHECK(figures.bytes == counted + told + figures.segments * segment_header_size);
    CHECK(figures.live_bytes == counted + record_header_size);
    CHECK(text_of(*made.files.read({7, 2})) == "two outcomes");
    CHECK(text_of(*made.files.read({7, 5})) == "six calls");
    CHECK_FALSE(made.files.read({7, 3}));
  }
  opened_store again(disk);
  CHECK(again.told == known);
  again.files.compact();
  again.files.compact();  // the last segment is empty
  CHECK(opened_store(disk).told == known);
}

TEST_CASE(
    "what the record of a start says is kept as long as its calls have not ended, also where these part "
    "ways") {
  unreliable_disk disk;
  oracle known;
  {
    opened_store made(disk, {.segment_bytes = 600});
    for (auto const& batch : std::vector<std::vector<said>>{
             {{kind::call, {7, 1}, 8, "eight calls"}, {kind::call, {8, 1}, 1, "one"}},
             {{kind::started, {7, 1}, 6, "worker A"}, {kind::started, {8, 1}, 1, "worker A"}},
             {{kind::started, {7, 3}, 2, "worker B"}, {kind::ended, {7, 1}, 1, "value"}},
             {{kind::started, {8, 1}, 1, "worker C"}, {kind::call, {9, 1}, 1, std::string(700, 'y')}}}) {
      made.commit(batch);
      for (auto const& each : batch) known.apply(each);
      made.files.compact();
    }
    CHECK(known.calls.at({7, 4}).start == "worker B");
    CHECK(known.calls.at({7, 6}).start == "worker A");
  }
  opened_store again(disk);
  CHECK(again.told == known);
  again.files.compact();
  CHECK(opened_store(disk).told == known);
}

TEST_CASE("after compaction records come in the order in which they were first written") {
  unreliable_disk disk;
  settings const how{.segment_bytes = 1000, .clean_step = 300};
  std::mt19937_64 random(3);
  {
    opened_store made(disk, how);
    for (std::uint64_t i = 1; i <= 200; ++i) {
      made.commit({{kind::call, {random(), 1}, 1, std::to_string(i)}});
      if (i == 100) made.files.compact();
    }
    made.commit({{kind::call, {1, 1}, 1, "201"}});
    made.files.compact();
    made.commit({{kind::call, {2, 1}, 1, "202"}});
  }
  struct order {
    std::vector<std::string> seen;
  } found;
  store const again(disk, how, 0,
                    [&](record const&, auto body) { found.seen.push_back(testing::text_of(body)); });
  REQUIRE(found.seen.size() == 202);
  for (std::size_t i = 0; i < found.seen.size(); ++i) CHECK(found.seen[i] == std::to_string(i + 1));
}

TEST_CASE("outcomes whose time is over are gone from the files, too") {
  unreliable_disk disk;
  {
    opened_store made(disk, {.segment_bytes = 300});
    made.commit({{kind::call, {7, 1}, 1, "call"}}, 1'000);
    made.commit({{kind::ended, {7, 1}, 1, "old"}}, 2'000);
    made.commit({{kind::call, {7, 2}, 1, std::string(400, 'x')}, {kind::ended, {7, 2}, 1, "young"}}, 3'000);
    made.files.compact();  // brings the old one behind
    auto const gone = made.files.expire(2'000);
    REQUIRE(gone.size() == 1);
    CHECK(gone[0].first == call_id{7, 1});
    made.files.compact();
  }
  opened_store again(disk);
  CHECK(again.told.calls.size() == 1);
  CHECK(again.told.calls.at({7, 2}).body == "young");
}

TEST_CASE("an empty journal is compacted, too") {
  unreliable_disk disk;
  opened_store made(disk);
  made.files.compact();
  CHECK(made.files.figures().bytes == segment_header_size);
  made.commit({{kind::call, {7, 1}, 1, "one"}});
  CHECK(opened_store(disk).told.calls.size() == 1);
}
