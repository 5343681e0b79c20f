// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <utility>
#include <vector>

#include "src/core/frame.hpp"
#include "src/journal/format.hpp"

// Which records of a journal still count, and where they lie. Pure; not thread-safe.
//
// A record counts as long as one of its calls is in the state that it tells of: `call` until the call has
// ended, `ended` until that is forgotten. What comes later never makes a call younger: the first outcome
// stays, and a second record of the same call changes nothing.
namespace yonder::journal {

// Of a record. In 8 bytes: there are as many as calls.
struct place {
  std::uint32_t segment = 0;  // 0: nowhere
  std::uint32_t units = 0;    // of 8 bytes: its offset
  std::uint64_t offset() const noexcept { return std::uint64_t{units} * 8; }
  friend auto operator<=>(place const&, place const&) = default;
};
inline constexpr std::uint64_t largest_segment = std::uint64_t{0xffff'ffff} * 8;

class ledger {
 public:
  enum class state : std::uint8_t { queued, started, ended };

  // Consecutive calls of which the same is known.
  struct piece {
    core::call_id first;
    place at;  // the record that counts for them; nowhere: they are said to have started, and no record says
               // what they are
    std::uint32_t units = 0;  // of 8 bytes: the size of that record on disk
    std::uint32_t items = 0;
    state is = state::queued;
    bool shared = false;  // the record is of other calls, too
  };

  // In the order of the journal.
  void apply(record const& what, place at);
  // Compaction has copied the record of these calls: what it counted for, its copy counts for.
  void moved(record const& what, place from, place to);
  // Outcomes of that time (ms) and before are forgotten: returns whose.
  struct calls {
    core::call_id first;
    std::uint32_t items = 0;
  };
  std::vector<calls> expire(std::int64_t until);
  // Behind the last record that was read back: copies have brought older outcomes behind younger ones.
  void sort_outcomes();

  // Does the record that was applied from there still count? For one that says `forgotten`: may another that
  // counts be of its calls, too?
  bool counts(record const& what, place at) const;
  // The record that counts for that call in that state; none: units == 0.
  piece find(core::call_id const& call) const;
  // What is known of these calls, in order, cut to them.
  std::vector<piece> pieces(core::call_id const& first, std::uint32_t items) const;
  // The records that say last of these calls, which have not ended, that they have started: in order, cut to
  // them.
  struct start {
    core::call_id first;
    std::uint32_t items = 0;
    place at;
    std::uint32_t units = 0;  // of that record
  };
  std::vector<start> starts(core::call_id const& first, std::uint32_t items) const;
  // A call that is said to have started, but is not known; none: items == 0.
  piece stray() const;

  std::uint64_t live_bytes(std::uint32_t segment) const;
  std::uint64_t live_bytes() const noexcept { return live_units_ * 8 + started_pieces_ * record_header_size; }
  std::uint64_t queued() const noexcept { return queued_; }    // calls that were taken and have not started
  std::uint64_t started() const noexcept { return started_; }  // and have not ended
  std::uint64_t ended() const noexcept { return ended_; }      // and are not forgotten
  // What it takes, about.
  std::size_t memory() const noexcept;

 private:
  // Of a record of several calls.
  struct shared_record {
    std::uint32_t items = 0;
    std::uint32_t left = 0;  // those that it counts for
  };
  using shared_records = std::map<std::pair<core::call_id, place>, shared_record>;
  using chunk = std::vector<piece>;

  std::vector<piece> take(core::call_id const& first, std::uint32_t items);
  void put(piece const& what);
  void insert(piece const& what);
  piece* exactly(core::call_id const& first, std::uint32_t items) noexcept;
  void count(piece const& what, int sign) noexcept;
  void refer(record const& what, place at, std::uint32_t items);
  void release(piece const& what);
  void live(std::uint32_t segment, std::uint32_t units, int sign);
  void begin(record const& what, place at);
  void forget_starts(core::call_id const& first, std::uint32_t items);
  void end(record const& what, place at);
  void remember(piece const& ended, std::int64_t time);
  shared_records& shared_of(state is) noexcept { return is == state::ended ? outcomes_ : packs_; }
  template <class Visit>
  void each(core::call_id const& first, std::uint32_t items, Visit visit) const;

  // Sorted, not overlapping: chunks by their first piece's first call.
  std::map<core::call_id, chunk> chunks_;
  shared_records packs_;                   // that say `call`
  shared_records outcomes_;                // that say `ended`
  std::map<core::call_id, start> starts_;  // by their first calls; as few as run
  struct outcome {
    std::int64_t time = 0;
    core::call_id first;
    std::uint32_t items = 0;
  };
  std::deque<outcome> by_time_;
  std::map<std::uint32_t, std::uint64_t> live_in_;  // units, of records in that segment
  std::uint64_t live_units_ = 0;
  std::uint64_t queued_ = 0;
  std::uint64_t started_ = 0;
  std::uint64_t ended_ = 0;
  std::uint64_t started_pieces_ = 0;
  std::uint64_t ended_pieces_ = 0;
};

}  // namespace yonder::journal
