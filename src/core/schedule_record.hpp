// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/schedule_table.hpp"

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/detail/export.hpp"

// Schedules that a hub keeps: what is said of them by whoever makes one, in the hub's journal, and to whoever
// asks.
namespace yonder::core {

// A schedule's terms, in a field of the call that it repeats (tag::schedule).
struct schedule_terms {
  std::string name;
  std::string when;  // in words
  duration period = 0;
  std::string line;  // of a crontab; empty: it has a period
  time_zone zone;    // of that
  overlap_policy overlap = overlap_policy::skip;
  missed_policy missed = missed_policy::once;
  duration jitter = 0;
  duration deadline = 0;  // of each call; 0: none
};

inline constexpr duration longest_period = 10 * 366 * 24 * 3600 * second;  // and jitter
inline constexpr duration shortest_period = millisecond;

std::string encode_terms(schedule_terms const& terms);
// False: malformed.
bool decode_terms(std::string_view text, schedule_terms& terms);
// Throws std::invalid_argument, in words, for times that are none.
schedule_spec spec_of(schedule_terms&& terms);
// Whether both are due at the same times.
bool same_times(schedule_terms const& a, schedule_terms const& b);

// What the journal has of one beside its terms.
struct schedule_progress {
  std::uint64_t version = 0;  // the highest counts
  schedule_state state;
  std::uint64_t last_run = 0;  // the number of its last call
  std::uint64_t kept_run = 0;  // of the one whose outcome is kept
  std::uint64_t failed = 0;
  std::string last_error;
  std::vector<std::uint64_t> running;  // calls that have not ended
};
std::string encode_progress(schedule_progress const& progress);
bool decode_progress(std::string_view text, schedule_progress& progress);

// Their ids: no session's in practice, exact in a double, and none that a program gives its own.
inline constexpr std::uint64_t first_kept_schedule = std::uint64_t{1} << 52;
constexpr bool is_kept_schedule(std::uint64_t id) noexcept { return id >= first_kept_schedule; }

// What a hub is asked about them: core/call_orders.hpp.
enum class schedule_change : std::uint8_t { pause, resume, fire, stop };
YONDER_API std::string encode_change(std::uint64_t id, schedule_change change);
bool decode_change(std::span<std::byte const> payload, std::uint64_t& id, schedule_change& change);

struct kept_schedule_row {
  schedule_row row;
  std::string task;
  std::string identity;
  std::uint64_t failed = 0;
  std::string last_error;
};
std::string encode_schedules(std::vector<kept_schedule_row> const& rows);
YONDER_API bool decode_schedules(std::span<std::byte const> payload, std::vector<kept_schedule_row>& rows);

}  // namespace yonder::core
