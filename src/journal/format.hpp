// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "src/core/frame.hpp"
#include "src/journal/error.hpp"

// The bytes of a journal (docs/journal.md has the table). Pure: nothing here touches a file. Whatever is read
// may be anything; nothing is allocated by a length that it claims.
namespace yonder::journal {

inline constexpr std::uint32_t format_version = 1;

enum class kind : std::uint8_t {
  call = 1,   // calls were taken; body: all of them
  started,    // they may have been started; body: what its owner says of that, or none
  ended,      // their outcome
  forgotten,  // their outcome was acknowledged, or nobody wants it any more; no body
};
constexpr std::string_view to_string(kind what) noexcept {
  switch (what) {
    case kind::call: return "call";
    case kind::started: return "started";
    case kind::ended: return "ended";
    case kind::forgotten: return "forgotten";
  }
  return "unknown";
}

// One record; its body lies behind its header, padded with zeros to a multiple of 8 bytes.
struct record {
  std::uint64_t number = 0;  // from 1, without a gap
  std::uint64_t synced = 0;  // the last record that was on disk when this one was given to it
  std::uint64_t origin = 0;  // its number, or for a copy that of the record that its group was copied for
  core::call_id call;        // the first of `items` calls, whose numbers follow each other
  std::int64_t time = 0;     // ms since 1970, never less than that of a record before, but for copies
  std::uint32_t items = 1;
  std::uint32_t size = 0;    // of the body
  std::uint16_t schema = 0;  // of the body, as its owner counts
  kind what = kind::call;
  bool continues = false;  // the next record is of the same group: both count, or neither
  bool copy = false;       // made by compaction: what was said of these calls before counts no more
};
inline constexpr std::size_t record_header_size = 72;
inline constexpr std::uint32_t largest_body = 0xffff'ff00;

// Of a record, its header and padding included.
constexpr std::uint64_t size_on_disk(std::uint32_t body) noexcept {
  return (record_header_size + std::uint64_t{body} + 7) / 8 * 8;
}

// Where a record lies. A record is valid in its place alone: its checksum begins with these.
struct location {
  std::uint64_t identity = 0;  // of the journal, drawn at random
  std::uint32_t segment = 0;
  std::uint64_t offset = 0;
};

// Writes all of a record but what seal() adds into `to`, record_header_size bytes.
void encode(record const& what, std::byte* to) noexcept;
// Of what encode() wrote.
record decode(std::byte const* from) noexcept;
// Numbers a record that lies at `bytes` with its body, and closes it with its checksums. Returns its seal,
// which the next record carries as `previous`.
std::uint32_t seal(std::span<std::byte> bytes, location const& at, std::uint64_t number, std::uint64_t synced,
                   std::uint32_t previous) noexcept;

// Of a record that is closed.
std::uint32_t seal_of(std::byte const* record) noexcept;
void store_time(std::byte* record, std::int64_t time) noexcept;

struct found_record {
  record what;
  std::uint32_t previous = 0;
  std::uint32_t seal = 0;
  std::span<std::byte const> body{};
};
// The record at the beginning of `bytes`; none: there is no whole and true one.
std::optional<found_record> read_record(std::span<std::byte const> bytes, location const& at) noexcept;

// Is there, at an offset of `bytes` from `from` on, a header of a record which says that record `number` had
// been synced before it was written? Then that one is no unsynced tail. `at`: of the beginning of `bytes`.
bool proves_synced(std::span<std::byte const> bytes, std::uint64_t from, location at,
                   std::uint64_t number) noexcept;

// What a file of ours says before anything else, in every version.
enum class preface : std::uint8_t { good, newer, damaged };

struct segment_header {
  std::uint64_t identity = 0;
  std::uint32_t segment = 0;   // counted from 1
  std::uint64_t first = 0;     // the number of its first record
  std::uint32_t previous = 0;  // the seal of the record before
};
inline constexpr std::size_t segment_header_size = 48;
using segment_header_bytes = std::array<std::byte, segment_header_size>;
segment_header_bytes encode(segment_header const& what) noexcept;
struct found_segment_header {
  preface state = preface::damaged;
  std::uint32_t version = 0;
  segment_header what;
};
found_segment_header read_segment_header(std::span<std::byte const> bytes) noexcept;

// Kept in a file of its own: what the segments have to hold.
struct witness {
  std::uint64_t identity = 0;
  std::uint64_t sequence = 0;  // of two slots the higher counts
  std::uint64_t synced = 0;    // every record up to this one was synced
  std::uint32_t seal = 0;      // of that record
  std::uint16_t schema = 0;    // the highest of a record
  std::uint32_t first = 1;     // the oldest segment that counts
  std::uint32_t last = 0;      // the youngest that has been made; 0: none
};
inline constexpr std::size_t witness_size = 64;
inline constexpr std::size_t witness_slots[2] = {0, 4096};  // their offsets: never torn by the same write
inline constexpr std::size_t witness_file_size = witness_slots[1] + witness_size;
using witness_bytes = std::array<std::byte, witness_size>;
witness_bytes encode(witness const& what) noexcept;
struct found_witness {
  preface state = preface::damaged;
  std::uint32_t version = 0;
  witness what;
};
found_witness read_witness(std::span<std::byte const> slot) noexcept;

// The names of the files. No number: it is another file.
inline constexpr std::string_view witness_name = "witness";
inline constexpr std::string_view unfinished_witness_name = "witness.new";
std::string segment_name(std::uint32_t segment);
std::optional<std::uint32_t> segment_of(std::string_view name) noexcept;

}  // namespace yonder::journal
