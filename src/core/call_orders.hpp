// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/map_orders.hpp"
#include "src/core/plain_fields.hpp"
#include "src/core/pool_orders.hpp"
#include "src/core/types.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yonder/detail/export.hpp"

// What is asked of a hub about calls and workers, and said of them, as pool_orders.hpp has it of pools: by
// calls of the names below, which the hub answers itself.
namespace yonder::core {

inline constexpr std::string_view explain_call = " explain";  // a call_id -> rows: what is known, and its
                                                              // value; none: there is no such call
inline constexpr std::string_view cancel_call = " cancel";    // a call_id -> "cancelled" and its id, or as
                                                              // explain_call where it has ended; or none
inline constexpr std::string_view list_workers = " workers";  // nothing -> rows of worker_columns
inline constexpr std::string_view tell_journal = " journal";  // nothing -> "state" and a journal_state, and
                                                              // "why" where it takes nothing; "drains" of a
                                                              // hub that ends, and for how many milliseconds
                                                              // it waits yet, empty: for any number
inline constexpr std::string_view list_schedules = " schedules";  // nothing -> encode_schedules()
inline constexpr std::string_view tell_schedule = " schedule";  // encode_change() -> u64: its id, or nothing
inline constexpr std::string_view read_logs = " logs";          // a log_order -> a log_page
constexpr bool is_schedule_order(std::string_view function) noexcept {
  return function == list_schedules || function == tell_schedule;
}
constexpr bool is_call_order(std::string_view function) noexcept {
  return function == explain_call || function == cancel_call || function == list_workers ||
         function == tell_journal || function == read_logs || is_schedule_order(function) ||
         is_map_order(function);
}
// Of a hub's journal: "refuses": for now no further calls.
namespace journal_state {
inline constexpr std::string_view none = "none", open = "open", refuses = "refuses", failed = "failed";
}

inline constexpr std::string_view find_call = " find";    // a call_id -> the outcome of that call
inline constexpr std::string_view list_calls = " calls";  // nothing -> a call_listing
constexpr bool is_call_search(std::string_view function) noexcept {
  return function.starts_with(' ') && (function == find_call || function == list_calls);
}

// What the hub answers itself. Such a call goes by itself, in a frame of its own: among others it is taken
// for one of a task. (Orders of values, is_value_order(), are said by no task_entry.)
constexpr bool is_hub_order(std::string_view function) noexcept {
  return function.starts_with(' ') &&
         (is_pool_order(function) || is_call_order(function) || is_call_search(function));
}

inline constexpr std::string_view worker_columns[] = {"name", "pool",       "state",   "calls",
                                                      "gpus", "credential", "progress"};

// A table of texts, as such answers hold it.
using text_rows = std::vector<std::vector<std::string>>;

inline std::string encode_rows(text_rows const& rows) {
  std::string text;
  for (auto const& row : rows) {
    put(text, static_cast<std::uint16_t>(row.size()));
    for (auto const& cell : row) put_text(text, cell);
  }
  return text;
}

// False: malformed.
inline bool decode_rows(std::span<std::byte const> payload, text_rows& rows) {
  field_reader from(payload);
  while (from.left() != 0) {
    std::uint16_t cells = 0;
    if (!from.take(cells)) return false;
    auto& row = rows.emplace_back();
    for (; cells != 0; --cells)
      if (!from.take_text(row.emplace_back())) return false;
  }
  return true;
}

inline std::string encode_call_id(call_id id) {
  std::string text;
  put(text, id.session);
  put(text, id.number);
  return text;
}

inline bool decode_call_id(std::span<std::byte const> payload, call_id& id) {
  field_reader from(payload);
  return from.take(id.session, id.number) && from.left() == 0;
}

enum class call_state : std::uint8_t { waiting = 1, running, succeeded, failed };

struct call_census {
  call_id id;
  std::string task;
  call_state state{};
  bool durable = false;
  std::uint32_t tries = 0;  // attempts that may have been started, with the one that runs
  duration left = 0;        // of one that has ended: for so long its outcome is kept
};

struct call_listing {
  static constexpr std::size_t most = 10'000;
  std::vector<call_census> calls;  // at most so many
  std::uint64_t all = 0;
};

// What was printed behind entry number `after`, in the order in which the hub was told. A number that the hub
// has not given, as it is of another hub's, is as 0.
struct log_order {
  call_id call{};  // number 0: of all calls, and of workers, that whoever asks may see
  std::uint64_t after = 0;
};

enum class log_state : std::uint8_t {
  unknown = 0,  // the hub has no such call, and nothing that it has printed, for whoever asks
  open,         // more may come
  ended,        // the call has
  awaited,      // as `unknown`; but it may have been begun under an earlier hub, or go on under the next one
};

// Whether two numbers of entries, as pages of logs have them (`next`), are of one hub's: its seed is in the
// upper half of them.
constexpr bool are_of_one_hub(std::uint64_t one, std::uint64_t other) { return one >> 32U == other >> 32U; }

struct log_page {
  static constexpr std::size_t most = std::size_t{256} << 10;  // bytes of text, about
  struct entry {
    call_id call;  // the first of `count`, which ran together; number 0: none, it is the worker's own
    std::uint32_t count = 1;
    std::uint64_t at = 0;  // the call had printed so much before, also where the hub has it no more
    std::string worker;
    std::string text;
  };
  log_state state{};
  bool more = false;       // there is, as of now: ask again at once
  std::uint64_t next = 0;  // ask for what is behind this number
  std::vector<entry> entries;
};

YONDER_API std::string encode_log_order(log_order const& order);
bool decode_log_order(std::span<std::byte const> payload, log_order& order);
std::string encode_log_page(log_page const& page);
YONDER_API bool decode_log_page(std::span<std::byte const> payload, log_page& page);

// As the payloads of such calls and of their results hold them; false: malformed.
std::string encode_calls(call_listing const& list);
bool decode_calls(std::span<std::byte const> payload, call_listing& list);

}  // namespace yonder::core
