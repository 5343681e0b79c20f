// SPDX-License-Identifier: Apache-2.0
//
// A journal whose files are not what was written: recovered to the acknowledged state, or refused in words.
#include <doctest/doctest.h>

#include <optional>
#include <string>
#include <vector>

#include "src/core/crc32c.hpp"
#include "src/core/little_endian.hpp"
#include "src/journal/store.hpp"
#include "tests/unit/journal/oracle.hpp"
#include "tests/unit/journal/unreliable_disk.hpp"

namespace {

using namespace yonder::journal;
using namespace yonder::journal::testing;
using files_of = std::map<std::string, unreliable_disk::bytes>;

constexpr settings small{.segment_bytes = 330};

std::vector<std::vector<said>> const commits{
    {{kind::call, {7, 1}, 1, "one"}, {kind::call, {7, 2}, 5, "two to six"}},
    {{kind::started, {7, 1}}},
    {{kind::ended, {7, 3}, 2, "outcomes of three and four"}},
    {{kind::call, {8, 1}, 1, std::string(100, 'x')}, {kind::forgotten, {7, 4}}},
    {{kind::ended, {7, 1}, 1, "outcome of one"}},
};

// What the first `count` commits say.
oracle state_after(std::size_t count) {
  oracle made;
  for (std::size_t i = 0; i < count; ++i)
    for (auto const& each : commits[i]) made.apply(each);
  return made;
}

files_of written() {
  unreliable_disk disk;
  opened_store made(disk, small);
  for (auto const& each : commits) made.commit(each);
  made.files.sign();
  return disk.copy();
}

// All was acknowledged; the witness on disk knows nothing but that the last segment was made.
files_of with_an_old_witness() {
  unreliable_disk disk;
  opened_store made(disk, small);
  for (auto const& each : commits) made.commit(each);
  auto files = disk.copy();
  files[std::string(witness_name)] = disk.synced(std::string(witness_name));
  return files;
}

std::string const last = "0000000003.segment";

// What the journal tells; none: it was refused as damaged, in words, and no file was touched.
std::optional<oracle> told_by(files_of const& files) {
  unreliable_disk disk;
  disk.put(files);
  try {
    return opened_store(disk, small).told;
  } catch (error const& why) {
    REQUIRE(why.why() == problem::damaged);
    auto const text = std::string(why.what());
    INFO(text);
    REQUIRE(text.find("disk/") != std::string::npos);
    REQUIRE(text.find("backup") != std::string::npos);
    REQUIRE(disk.operations() == 0);
    return std::nullopt;
  }
}

problem why_refused(files_of const& files, settings const& how = small) {
  unreliable_disk disk;
  disk.put(files);
  try {
    opened_store const again(disk, how);
  } catch (error const& why) {
    CHECK(disk.operations() == 0);
    CHECK(disk.copy() == files);
    return why.why();
  }
  FAIL("it was not refused");
  return {};
}

}  // namespace

TEST_CASE("a journal with any one bit flipped tells what was acknowledged, or is refused") {
  auto files = written();
  REQUIRE(files.count(last) == 1);
  auto const whole = state_after(commits.size());
  std::size_t refused = 0;
  std::size_t harmless = 0;
  for (auto& [name, bytes] : files)
    for (auto& byte : bytes) {
      if (name == witness_name && byte == std::byte{0} && (&byte - bytes.data()) % 64 != 0 &&
          &byte - bytes.data() > 128 && &byte - bytes.data() < 4096)
        continue;  // between the slots
      for (unsigned bit = 0; bit < 8; ++bit) {
        byte ^= std::byte{1} << bit;
        auto const told = told_by(files);
        byte ^= std::byte{1} << bit;
        told ? ++harmless : ++refused;
        if (told) REQUIRE(*told == whole);
        if (told) REQUIRE(name == witness_name);  // the other slot holds
      }
    }
  CHECK(refused > 1000);
  CHECK(harmless > 500);
}

TEST_CASE("a journal that is cut anywhere, or lacks a file, is refused") {
  auto const files = written();
  for (auto const& [file, bytes] : files) {
    std::string const& name = file;
    for (std::size_t size = 0; size < bytes.size(); size += name == witness_name ? 61 : 1) {
      CAPTURE(name);
      CAPTURE(size);
      auto cut = files;
      cut[name].resize(size);
      auto const told = told_by(cut);
      if (name != witness_name) REQUIRE_FALSE(told);
      if (told) REQUIRE(*told == state_after(commits.size()));
    }
  }
  for (auto const& one : files) {
    std::string const& name = one.first;
    CAPTURE(name);
    auto less = files;
    less.erase(name);
    CHECK_FALSE(told_by(less));
  }
  CHECK_FALSE(told_by({{std::string(witness_name), files.at(std::string(witness_name))}}));
}

TEST_CASE(
    "after a power loss that has kept an old witness, damage is told from a tail by what was written later") {
  auto const files = with_an_old_witness();
  auto const whole = state_after(commits.size());
  auto const without_the_last = state_after(commits.size() - 1);
  REQUIRE(*told_by(files) == whole);
  std::size_t bounds = 0;
  for (auto const& [name, bytes] : files) {
    if (name == witness_name) continue;
    for (std::size_t at = 0; at < bytes.size(); ++at) {
      auto flipped = files;
      flipped[name][at] ^= std::byte{16};
      auto const told = told_by(flipped);
      bounds += told ? 1 : 0;
      // The bound: of the very last commit nobody knows whether it was acknowledged.
      if (told) REQUIRE(name == last);
      if (told) REQUIRE(*told == without_the_last);
    }
  }
  CHECK(bounds == size_on_disk(static_cast<std::uint32_t>(commits.back()[0].body.size())));
}

TEST_CASE("a record proves something in its own place alone: a torn body may hold another journal's bytes") {
  auto files = with_an_old_witness();
  auto& segment = files[last];
  auto const whole = size_on_disk(static_cast<std::uint32_t>(commits.back()[0].body.size()));
  unreliable_disk::bytes const record(segment.end() - static_cast<std::ptrdiff_t>(whole), segment.end());
  std::fill(segment.end() - static_cast<std::ptrdiff_t>(whole), segment.end(), std::byte{0x11});
  for (int i = 0; i < 3; ++i) segment.insert(segment.end(), record.begin(), record.end());
  auto const told = told_by(files);
  REQUIRE(told);
  CHECK(*told == state_after(commits.size() - 1));
}

TEST_CASE("files of different times are refused") {
  auto const before = [] {
    unreliable_disk disk;
    opened_store made(disk, small);
    made.commit(commits[0]);
    made.commit({{kind::call, {9, 1}, 1, "another history"}});
    made.commit({{kind::ended, {9, 1}, 1, "of the same journal"}});
    made.files.sign();
    return disk.copy();
  }();
  auto mixed = written();
  for (auto const& [name, bytes] : before)
    if (name != witness_name) mixed[name] = bytes;
  CHECK_FALSE(told_by(mixed));
  auto old_witness = written();
  old_witness[std::string(witness_name)] = before.at(std::string(witness_name));
  CHECK_FALSE(told_by(old_witness));
}

TEST_CASE("a segment of another journal is refused") {
  unreliable_disk disk;
  {
    opened_store other(disk, small, 4711);
    for (auto const& each : commits) other.commit(each);
  }
  auto files = written();
  files["0000000002.segment"] = disk.contents("0000000002.segment");
  CHECK_FALSE(told_by(files));
}

TEST_CASE("a journal of a later version, or with records of a later schema, is refused as that") {
  using namespace yonder::core;
  auto files = written();
  auto const later = [](unreliable_disk::bytes& bytes, std::size_t at) {
    store_le(&bytes[at + 8], format_version + 1);
    store_le(&bytes[at + 12], crc32c({&bytes[at], 12}));
  };
  auto newer = files;
  later(newer[std::string(witness_name)], 0);
  CHECK(why_refused(newer) == problem::newer);
  newer = files;
  later(newer[last], 0);
  CHECK(why_refused(newer) == problem::newer);

  unreliable_disk disk;
  {
    opened_store made(disk, {.schema = 3});
    auto records = encoded({{kind::call, {7, 1}, 1, "of the third schema"}}, 3);
    made.files.commit({records.data(), records.size()}, 1'000);
  }
  CHECK(why_refused(disk.copy(), {.schema = 2}) == problem::newer);
  opened_store const again(disk, {.schema = 4});
  REQUIRE(again.records.size() == 1);
  CHECK(again.records[0].schema == 3);
  CHECK(why_refused(disk.copy(), {.schema = 3}) ==
        problem::newer);  // whoever writes the fourth may do so at any time
}

TEST_CASE(
    "whatever the disk refuses, what was synced stays, and every later append is refused with the same "
    "words") {
  for (int const error_number : {ENOSPC, EDQUOT, EROFS, EIO}) {
    for (std::uint64_t operation = 0; operation < 40; ++operation) {
      CAPTURE(error_number);
      CAPTURE(operation);
      unreliable_disk disk(operation);
      disk.write_short(operation % 2 != 0);
      std::size_t done = 0;
      disk.fail_after(operation, error_number);
      try {
        opened_store made(disk, small);
        try {
          for (auto const& each : commits) {
            made.commit(each);
            ++done;
          }
          continue;
        } catch (error const& why) {
          CHECK(why.why() == (error_number == EIO     ? problem::disk_failed
                              : error_number == EROFS ? problem::read_only
                                                      : problem::disk_full));
          disk.heal();
          auto const operations = disk.operations();
          CHECK_THROWS_WITH_AS(made.commit(commits[0]), why.what(), error);
          CHECK_THROWS_AS(made.files.sign(), error);
          CHECK(disk.operations() == operations);
        }
      } catch (error const& why) {
        CHECK(done == 0);
      }
      disk.lose_power();
      auto found = opened_store(disk, small).told;
      auto expected = state_after(done);
      for (std::size_t i = 0; i < commits[done].size() && !(found == expected); ++i)
        expected.apply(commits[done][i]);
      CHECK(found == expected);
    }
  }
}

TEST_CASE("what a failed fdatasync has left in memory alone is written again before it counts") {
  for (std::uint64_t operation = 0; operation < 40; ++operation) {
    CAPTURE(operation);
    unreliable_disk disk(operation);
    disk.fail_after(operation, EIO);
    try {
      opened_store made(disk, small);
      for (auto const& each : commits) made.commit(each);
    } catch (error const&) {
    }
    disk.heal();
    std::optional<oracle> told;
    try {
      told = opened_store(disk, small).told;
    } catch (error const& why) {  // where its very making failed
      CHECK(why.why() == problem::damaged);
      continue;
    }
    disk.lose_power();
    CHECK(opened_store(disk, small).told == *told);
  }
}

TEST_CASE("a tail that was never acknowledged is cut off, and said so") {
  auto files = written();
  auto& segment = files[last];
  auto const size = segment.size();
  segment.resize(size + 100, std::byte{0x5a});
  unreliable_disk disk;
  disk.put(files);
  opened_store const again(disk, small);
  CHECK(again.told == state_after(commits.size()));
  CHECK(disk.contents(last).size() == size);
  REQUIRE(again.files.notes().size() == 1);
  CHECK(again.files.notes()[0] ==
        "100 bytes at the end of disk/" + last + " were never acknowledged: they are cut off");
}
