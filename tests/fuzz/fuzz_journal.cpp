// SPDX-License-Identifier: Apache-2.0
//
// The files of a journal as any bytes: they are read, or refused in words, and nothing is allocated by what
// they claim. What was read can be written on, compacted and read again, and tells the same,
// unless it has copies: some of these are such as no compaction makes.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <map>
#include <set>
#include <string>

#include "src/journal/store.hpp"
#include "tests/unit/journal/oracle.hpp"
#include "tests/unit/journal/unreliable_disk.hpp"

namespace {

using namespace yonder::journal;
using namespace yonder::journal::testing;

constexpr std::uint64_t identity = 42;

void require(bool holds) {
  if (!holds) std::abort();
}

// Records from the input's bytes, their checksums made true: what is behind these is reached, too.
yonder::detail::byte_buffer records_of(std::span<std::byte const> input) {
  yonder::detail::byte_buffer made;
  std::set<yonder::core::call_id> forgotten;  // of which nothing more is said
  while (input.size() >= 7) {
    record what;
    what.what = static_cast<kind>(1 + static_cast<unsigned>(input[0]) % 4);
    what.copy = (static_cast<unsigned>(input[0]) & 4) != 0;
    what.continues = (static_cast<unsigned>(input[0]) & 8) != 0;
    what.call = {static_cast<std::uint64_t>(input[1]) % 3, static_cast<std::uint64_t>(input[2]) % 32};
    what.items = 1 + static_cast<std::uint32_t>(input[3]) % 12;
    what.size = static_cast<std::uint32_t>(input[4]) % 64;
    what.time = static_cast<std::int64_t>(input[5]);
    auto const fill = static_cast<int>(input[6]);
    input = input.subspan(7);
    bool gone = false;
    for (std::uint32_t i = 0; i < what.items; ++i) {
      yonder::core::call_id const call{what.call.session, what.call.number + i};
      if (what.what == kind::forgotten)
        forgotten.insert(call);
      else
        gone = gone || forgotten.count(call) != 0;
    }
    if (gone) continue;
    auto const whole = size_on_disk(what.size);
    auto* const at = made.extend(whole);
    std::memset(at, fill, whole);
    encode(what, at);
  }
  return made;
}

// Returns whether there are copies.
bool seal_all(std::span<std::byte> records) {
  bool copied = false;
  std::uint32_t previous = 0;
  std::uint64_t number = 0;
  for (std::size_t at = 0; at < records.size();) {
    auto const size = size_on_disk(decode(&records[at]).size);
    previous = seal(records.subspan(at, size), {identity, 1, segment_header_size + at}, number + 1, number,
                    previous);
    copied = copied || decode(&records[at]).copy;
    ++number;
    at += size;
  }
  return copied;
}

unreliable_disk::bytes to_vector(std::span<std::byte const> bytes) { return {bytes.begin(), bytes.end()}; }

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size < 2) return 0;
  auto const input = std::as_bytes(std::span(data, size));
  auto const how = static_cast<unsigned>(input[0]);
  std::map<std::string, unreliable_disk::bytes> files;
  auto witness_file = unreliable_disk::bytes(witness_file_size);
  auto const slot = encode(witness{.identity = identity, .sequence = 1, .last = (how & 1) != 0 ? 1U : 0U});
  std::copy(slot.begin(), slot.end(), witness_file.begin());
  auto segment = to_vector(encode(segment_header{identity, 1, 1, 0}));
  bool copied = false;
  if ((how & 2) != 0) {
    auto records = records_of(input.subspan(1));
    copied = seal_all({records.data(), records.size()});
    segment.insert(segment.end(), records.data(), records.data() + records.size());
  } else if ((how & 4) != 0) {
    segment.insert(segment.end(), input.begin() + 1, input.end());
  } else if ((how & 8) != 0) {
    segment = to_vector(input.subspan(1));
  } else {
    witness_file = to_vector(input.subspan(1));
  }
  files[std::string(witness_name)] = witness_file;
  files[segment_name(1)] = segment;

  unreliable_disk disk;
  disk.put(files);
  try {
    oracle before;
    {
      opened_store made(disk, {.segment_bytes = 1 + how * 16U, .schema = 0xffff});
      before = made.told;
      made.commit({{kind::call, {99, 1}, 1, "one more"}});
      made.files.compact();
    }
    before.apply({kind::call, {99, 1}, 1, "one more"});
    opened_store const again(disk, {.schema = 0xffff});
    if (copied) return 0;
    require(again.told == before);
    auto const figures = again.files.figures();
    require(figures.queued == before.count(kind::call) && figures.ended == before.count(kind::ended));
  } catch (error const& why) {
    require(why.why() == problem::damaged || why.why() == problem::newer);
  }
  return 0;
}
