// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/schedule_record.hpp"
#include "src/core/types.hpp"

#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

// The schedules that a hub keeps in its journal. Private to the hub.
//
// A schedule's id is the session of the calls that it makes, which are numbered from 1. Its records are under
// ids of that session, too, from first_record on: its terms with the call, and its progress. Newer ones take
// the place of older ones, which are forgotten behind them. The record of each of its calls says its
// progress, too: what has been made was made once.
namespace yonder::core {

struct kept_schedule {
  static constexpr std::uint64_t first_record = std::uint64_t{1} << 63;

  std::string identity;  // whose it is
  schedule_terms terms;
  std::string said;  // the same, encoded
  std::string task;
  frame_ref call;  // as each of its calls is
  schedule_progress progress;
  std::uint64_t next_record = first_record;
  std::uint64_t terms_record = 0;     // which counts; 0: none
  std::uint64_t progress_record = 0;  // likewise
  bool has_changed = false;           // its progress is to be written
};

// What the journal's records say that the core's own records of calls do not (out::append::function).
inline constexpr std::string_view says_terms = " schedule";
inline constexpr std::string_view says_progress = " schedule progress";
inline constexpr std::string_view says_run = " schedule run";

struct schedule_keeper {
  explicit schedule_keeper(std::uint64_t seed) : table(seed) {}

  std::map<std::uint64_t, kept_schedule> all;
  schedule_table table;
  std::int64_t ahead = 0;  // of the wall clock, of the monotonic one
  time_point due = never;  // when to look at the table again
  schedule_table::ids beginning;
  std::vector<std::uint64_t> changed;  // whose progress is to be written
  std::size_t bytes = 0;               // of calls and terms

  // Who is told a value once a record is on disk.
  struct awaiting {
    std::uint64_t record = 0;
    call_id by;
    std::string value;
  };
  std::deque<awaiting> answers;
  // While the journal is read: what was forgotten there.
  std::set<call_id> forgotten;

  bool some_wait() const noexcept { return !beginning.empty() || !changed.empty(); }
  clock_reading at(time_point now) const { return {now, now + ahead}; }
  kept_schedule* find(std::uint64_t id) {
    auto const found = all.find(id);
    return found == all.end() ? nullptr : &found->second;
  }
};

}  // namespace yonder::core
