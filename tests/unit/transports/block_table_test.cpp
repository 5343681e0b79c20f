// SPDX-License-Identifier: Apache-2.0
#include "transports/local/block_table.hpp"

#include <doctest/doctest.h>

#include <atomic>
#include <map>
#include <optional>
#include <random>
#include <set>
#include <vector>

#include "transports/local/returned_blocks.hpp"

namespace yonder::testing {
namespace {

using transport::block_table;

// What a table must do, page by page.
class plain_table {
 public:
  explicit plain_table(std::uint32_t pages) : taken_(pages, false), touched_(pages, false) {}

  std::optional<std::uint32_t> take(std::uint32_t count) {
    if (count == 0 || blocks_.size() == block_table::most_blocks) return std::nullopt;
    for (std::uint32_t first = 0; first + count <= taken_.size(); ++first) {
      bool free = true;
      for (auto i = first; i < first + count; ++i) free = free && !taken_[i];
      if (!free) continue;
      for (auto i = first; i < first + count; ++i) taken_[i] = touched_[i] = true;
      blocks_[first] = count;
      return first;
    }
    return std::nullopt;
  }
  bool give(std::uint32_t first) {
    auto const found = blocks_.find(first);
    if (found == blocks_.end()) return false;
    for (auto i = first; i < first + found->second; ++i) taken_[i] = false;
    blocks_.erase(found);
    return true;
  }
  // Those that are to go back, and those that may.
  bool is_idle(std::uint32_t page) const { return touched_[page] && !taken_[page]; }
  bool is_taken(std::uint32_t page) const { return taken_[page]; }
  void forget_idle() { touched_ = taken_; }
  std::size_t blocks() const { return blocks_.size(); }
  std::uint32_t pages() const { return static_cast<std::uint32_t>(taken_.size()); }

 private:
  std::vector<bool> taken_, touched_;
  std::map<std::uint32_t, std::uint32_t> blocks_;
};

bool gives_idle_pages_back(block_table table, plain_table& plain) {
  std::vector<bool> given(plain.pages(), false);
  table.for_each_idle([&](std::uint32_t first, std::uint32_t count) {
    for (auto i = first; i < first + count; ++i) given.at(i) = true;
  });
  bool right = true;
  for (std::uint32_t i = 0; i < plain.pages(); ++i)
    right = right && (given[i] || !plain.is_idle(i)) && !(given[i] && plain.is_taken(i));
  return right;
}

// Every sequence of `left` steps.
std::size_t try_all(block_table const& table, plain_table const& plain, int left) {
  std::size_t sequences = 1;
  if (left == 0) return sequences;
  for (std::uint32_t what = 0; what < 2 * plain.pages() + 1; ++what) {
    auto next = table;
    auto wanted = plain;
    if (what <= plain.pages())
      REQUIRE(next.take(what) == wanted.take(what));
    else
      REQUIRE(next.give(what - plain.pages() - 1) == wanted.give(what - plain.pages() - 1));
    REQUIRE(next.blocks() == wanted.blocks());
    REQUIRE(gives_idle_pages_back(next, wanted));
    sequences += try_all(next, wanted, left - 1);
  }
  return sequences;
}

using words = transport::returned_words<std::atomic<std::uint32_t>, 4>;

}  // namespace

TEST_CASE("blocks never overlap, lie as low as they can, and end once, whatever is asked of a table") {
  CHECK(try_all(block_table(3), plain_table(3), 5) > 10'000);
}

TEST_CASE("a table of many blocks does the same, and has as many as it says") {
  std::mt19937 random(11);
  block_table table(600);
  plain_table plain(600);
  for (int i = 0; i < 20'000; ++i) {
    if (random() % 2 != 0) {
      auto const count = random() % 4;
      REQUIRE(table.take(count) == plain.take(count));
    } else {
      auto const first = random() % 600;
      REQUIRE(table.give(first) == plain.give(first));
    }
    if (i % 500 != 0) continue;
    REQUIRE(gives_idle_pages_back(table, plain));
    table.for_each_idle([](auto, auto) {});
    plain.forget_idle();
  }
  block_table full(100'000);
  for (std::uint32_t i = 0; i < block_table::most_blocks; ++i) CHECK(full.take(1) == i);
  CHECK_FALSE(full.take(1));
  CHECK(full.give(7));
  CHECK(full.take(1) == 7);
}

TEST_CASE("blocks that come back are seen once each, in order, also when their number wraps round") {
  words shared;
  shared.count = 0;
  transport::block_returner returner(shared);
  transport::block_collector collector(shared);
  std::uint32_t given = 0, seen = 0;
  for (int round = 0; round < 1'000; ++round) {
    for (int i = 0; i < round % 5; ++i) returner.give(given++);
    CHECK(collector.collect(4, [&](std::uint32_t page) { return page == seen++; }));
    CHECK(seen == given);
  }
}

TEST_CASE("more than was lent, and what was not, is no return of a block") {
  words shared;
  transport::block_collector collector(shared);
  block_table table(10);
  table.take(1), table.take(1);
  auto const give = [&](std::uint32_t page) { return table.give(page); };
  shared.count = 3;
  CHECK_FALSE(collector.collect(table.blocks(), give));
  shared.count = 0xffffffff;
  CHECK_FALSE(collector.collect(table.blocks(), give));
  shared.count = 2;
  shared.pages[0] = shared.pages[1] = 1;
  CHECK_FALSE(collector.collect(table.blocks(), give));  // the same one twice
  CHECK(table.blocks() == 1);
}

}  // namespace yonder::testing
