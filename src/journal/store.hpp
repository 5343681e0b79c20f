// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <deque>
#include <limits>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "src/journal/recovery.hpp"
#include "yonder/detail/byte_buffer.hpp"

namespace yonder::journal {

struct settings {
  std::uint64_t segment_bytes = 64 << 20;  // a segment ends behind the group of records that reaches it
  std::uint16_t schema = 1;                // of the bodies, as their owner counts
  std::int64_t expired_until = std::numeric_limits<std::int64_t>::min();  // ms: outcomes of that time and
                                                                          // before are not told of any more
  std::uint64_t clean_step = 1 << 20;  // bytes that compaction reads between two commits
};

// A record that was read back; `body` is its own.
struct stored {
  record what;
  detail::byte_buffer bytes;
  std::span<std::byte const> body() const noexcept { return {bytes.data() + record_header_size, what.size}; }
};

// The files of a journal: writes what it is given behind what is there, and removes what no longer counts.
// One thread, but for read(), expire() and figures(). What fails, fails for good: whoever goes on opens anew.
class store {
 public:
  // Makes or recovers it. `identity`: random, for a new one. Throws error.
  store(file_system& disk, settings const& how, std::uint64_t identity, record_visitor const& to);

  // Records as encode() writes them, each with its body and padding. Numbers, writes and syncs them; those
  // without a time get `now` (ms). Throws error.
  void commit(std::span<std::byte> records, std::int64_t now);
  // A step of compaction: a megabyte of records is looked at, or one that is larger. False: there is nothing
  // to be done. Throws error.
  bool clean(std::int64_t now);
  // All of it, whatever there is to be gained. Throws error.
  void compact();
  // Syncs the witness. Throws error.
  void sign();
  bool is_signed() const noexcept { return written_.sequence == signed_off_.sequence; }

  // Any thread. The record that counts for the call: its outcome, or else what it is. None: neither is on
  // disk. Blocks on the disk. Throws error.
  std::optional<stored> read(core::call_id const& call) const;
  // Any thread; does not block.
  std::vector<ledger::calls> expire(std::int64_t until);
  struct figures_type {
    std::uint64_t bytes = 0;       // on disk
    std::uint64_t live_bytes = 0;  // of records that count
    std::uint64_t queued = 0;
    std::uint64_t started = 0;
    std::uint64_t ended = 0;
    std::size_t memory = 0;
    std::size_t segments = 0;
  };
  figures_type figures() const;  // counts what it takes
  std::uint64_t live_bytes() const;

  std::int64_t time() const noexcept { return time_; }  // of the last record, ms
  std::vector<std::string> const& notes() const noexcept { return notes_; }

 private:
  void make(std::uint64_t identity);
  void mend(recovered const& found);
  void rotate();
  void write_all(file& to, std::uint64_t offset, std::span<std::byte const> bytes);
  void put(std::span<std::byte> records, std::span<place const> from, std::int64_t now);
  void write_run(std::span<std::byte const> run, std::span<place const> from);
  void write_witness();
  void sign_both();
  struct copied {
    record what;
    place from;  // nowhere: it says what the journal knows
    std::span<std::byte const> body{};
  };
  struct copies {
    detail::byte_buffer bytes;
    std::vector<place> from;
    std::set<place> from_places;
  };
  void empty_first(std::int64_t now);
  std::uint64_t counted_in_first() const;
  void copy_some(std::int64_t now);
  void copy_group(found_record const& what, place at, copies& to);
  void add_starts(ledger::piece const& started, std::vector<copied>& group, std::deque<stored>& bodies) const;
  void add_states(std::vector<ledger::piece> const& known, std::vector<copied>& group,
                  std::deque<stored>& bodies) const;
  detail::byte_buffer read_window(std::uint32_t segment, std::uint64_t offset, std::uint64_t size) const;
  std::optional<stored> load(place at, std::uint32_t units) const;
  [[noreturn]] void refuse_damage(place at) const;
  void drop_first();
  template <class Work>
  auto guarded(Work work);

  file_system& disk_;
  settings const how_;
  std::unique_ptr<file> witness_file_;
  std::unique_ptr<file> segment_;  // the last
  witness written_;                // the witness as it was last written
  witness signed_off_;             // as it was last synced
  unsigned signed_slot_ = 0;
  std::map<std::uint32_t, std::uint64_t> segments_;  // and their bytes
  std::uint64_t number_ = 0;                         // of the last record, which is synced
  std::uint32_t seal_ = 0;
  std::int64_t time_ = 0;
  std::uint64_t cleaned_ = 0;  // bytes of the first segment
  std::vector<std::string> notes_;
  std::optional<error> failure_;

  mutable std::mutex mutex_;  // of all below
  ledger counts_;
  std::uint64_t bytes_ = 0;
};

}  // namespace yonder::journal
