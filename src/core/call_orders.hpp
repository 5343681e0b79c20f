// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/plain_fields.hpp"
#include "src/core/types.hpp"

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What is asked of a hub about calls and workers, and said of them, as pool_orders.hpp has it of pools: by
// calls of the names below, which the hub answers itself.
namespace yonder::core {

inline constexpr std::string_view explain_call = " explain";  // a call_id -> rows: what is known, and its
                                                              // value; none: there is no such call
inline constexpr std::string_view cancel_call = " cancel";    // a call_id -> "cancelled" and its id, or as
                                                              // explain_call where it has ended; or none
inline constexpr std::string_view list_workers = " workers";  // nothing -> rows of worker_columns
inline constexpr std::string_view tell_journal = " journal";  // nothing -> "state" and a journal_state, and
                                                              // "why" where it takes nothing
inline constexpr std::string_view list_schedules = " schedules";  // nothing -> encode_schedules()
inline constexpr std::string_view tell_schedule = " schedule";  // encode_change() -> u64: its id, or nothing
constexpr bool is_schedule_order(std::string_view function) noexcept {
  return function == list_schedules || function == tell_schedule;
}
constexpr bool is_call_order(std::string_view function) noexcept {
  return function == explain_call || function == cancel_call || function == list_workers ||
         function == tell_journal || is_schedule_order(function);
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

inline constexpr std::string_view worker_columns[] = {"name", "pool", "state", "calls", "gpus", "credential"};

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

// As the payloads of such calls and of their results hold them; false: malformed.
std::string encode_calls(call_listing const& list);
bool decode_calls(std::span<std::byte const> payload, call_listing& list);

}  // namespace yonder::core
