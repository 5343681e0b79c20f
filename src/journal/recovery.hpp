// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/journal/file_system.hpp"
#include "src/journal/ledger.hpp"
#include "yonder/detail/byte_buffer.hpp"

// What a journal's files say after any end of the process or the machine: the acknowledged state, or why it
// is not to be had. Changes no file.
namespace yonder::journal {

// Where the next record goes, and what was found on the way there.
struct recovered {
  bool fresh = true;  // nothing of a journal is there
  witness signed_off;
  unsigned slot = 0;                                // of the witness's file, that holds it
  std::map<std::uint32_t, std::uint64_t> segments;  // that count, and their valid bytes
  std::uint64_t number = 0;                         // of the last record
  std::uint32_t seal = 0;                           // and its seal
  std::int64_t time = 0;
  std::uint64_t records = 0;
  std::optional<std::uint64_t> unsigned_from;  // bytes of the last segment that the witness does not name
  std::uint64_t tail = 0;                      // bytes behind the last record, which were never acknowledged
  std::vector<std::string> leftovers;          // files that no longer count
  bool moved = false;                          // compaction has copied some that count
  std::vector<std::string> notes;              // for whoever runs it
};

// Throws journal::error, or std::system_error of the disk.
recovered recover(file_system const& disk, std::uint16_t schema, ledger& counts);

// One segment, from its bytes alone: the pure part, which decides what is a tail and what is damage.
struct segment_reading {
  std::uint64_t number = 0;  // before the first record; then of the last one that counts
  std::uint32_t seal = 0;    // likewise
  std::uint64_t end = 0;     // of the last record that counts; 0: not even the header holds
  std::uint64_t broken = 0;  // where no true record begins; the size: everything is one
  std::uint32_t version = 0;
  enum class verdict : std::uint8_t { whole, tail, damaged, newer } is = verdict::whole;
};
// `last`: no segment follows. Calls `found` for each record that counts, in order.
segment_reading read_segment(std::span<std::byte const> bytes, witness const& signed_off,
                             std::uint32_t segment, std::uint64_t number, std::uint32_t seal, bool last,
                             std::function<void(found_record const&, place)> const& found);

// The whole file. Its size is the disk's word, not the journal's.
detail::byte_buffer read_all(file_system const& disk, std::string const& name);

using record_visitor = std::function<void(record const&, std::span<std::byte const> body)>;
// Every record that counts, in the order in which they were first written; a body is valid during the call.
void visit(file_system const& disk, recovered const& what, ledger const& counts, record_visitor const& to);

}  // namespace yonder::journal
