// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "src/journal/recovery.hpp"
#include "yonder/detail/export.hpp"

// What is done with a journal, which, but for a backup, no hub has open. All throw error.
namespace yonder::journal {

struct summary {
  std::uint64_t segments = 0;
  std::uint64_t bytes = 0;       // of the segments
  std::uint64_t live_bytes = 0;  // of records that count
  std::uint64_t records = 0;     // those too that count no more
  std::uint64_t queued = 0;      // calls that wait
  std::uint64_t started = 0;
  std::uint64_t ended = 0;           // whose outcome is kept
  std::vector<std::string> notes{};  // a line each
};

// Reads all of it and changes nothing. Throws error where it is damaged.
YONDER_API summary check(std::string const& folder);

// Copies what counts into new segments and removes the others, whatever there is to be gained.
struct compaction {
  std::uint64_t before = 0;  // bytes of the segments
  std::uint64_t after = 0;
};
YONDER_API compaction compact(std::string const& folder);

// Copies the journal into a folder that is made, or is empty, also while a hub writes it: every record that
// was on disk when this began is in the copy, and perhaps later ones. The copy is a journal, read through and
// on disk; where this throws there is none.
YONDER_API summary backup(std::string const& folder, std::string const& to);

// Every record that counts; changes nothing. Of a damaged journal every one that still reads, whatever lies
// between them, as far as those tell what counts: returns why it is refused.
YONDER_API std::optional<error> export_records(std::string const& folder, record_visitor const& to);

}  // namespace yonder::journal
