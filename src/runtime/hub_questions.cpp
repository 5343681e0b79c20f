// SPDX-License-Identifier: Apache-2.0
// What a hub is asked by those who do not wait for its answer.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <iterator>
#include <utility>

#include "src/core/call_orders.hpp"
#include "src/core/map_orders.hpp"
#include "src/core/pool_orders.hpp"
#include "src/core/schedule_record.hpp"
#include "src/runtime/orders.hpp"
#include "src/runtime/schedule_terms.hpp"
#include "src/runtime/snapshot.hpp"
#include "yonder/error.hpp"

namespace yonder {
namespace runtime_detail {

std::vector<core::pool_census> pool_rows_in(detail::reply const& answer) {
  std::vector<core::pool_census> seen;
  if (!core::decode_pools(answer.payload, seen))
    detail::throw_error(
        {.code = errc::undecodable, .message = "what the hub says of its pools does not decode"});
  return seen;
}

std::vector<pool_snapshot> pools_seen(std::vector<core::pool_census>&& rows) {
  std::vector<pool_snapshot> seen;
  for (auto& one : rows) seen.push_back(snapshot_of(std::move(one)));
  return seen;
}

std::vector<core::usage_row> usage_rows_in(detail::reply const& answer) {
  std::vector<core::usage_row> seen;
  if (!core::decode_usage(answer.payload, seen))
    detail::throw_error(
        {.code = errc::undecodable, .message = "what the hub says of its use does not decode"});
  return seen;
}

std::vector<usage_snapshot> usage_seen(std::vector<core::usage_row>&& rows) {
  std::vector<usage_snapshot> seen;
  for (auto& one : rows) {
    std::chrono::year_month_day const day(std::chrono::sys_days(std::chrono::days(one.day)));
    char text[40];
    std::snprintf(text, sizeof text, "%04d-%02u-%02u", static_cast<int>(day.year()),
                  static_cast<unsigned>(day.month()), static_cast<unsigned>(day.day()));
    seen.push_back({.day = text,
                    .task = std::move(one.task),
                    .credential = std::move(one.credential),
                    .key = std::move(one.key),
                    .attempts = one.attempts,
                    .worker_time = std::chrono::microseconds(one.worker_microseconds),
                    .gpu_time = std::chrono::microseconds(one.gpu_microseconds)});
  }
  return seen;
}

}  // namespace runtime_detail

namespace detail {
namespace {

[[noreturn]] void undecodable(std::string what) {
  throw_error(
      {.code = errc::undecodable, .message = "what the hub says " + std::move(what) + "does not decode"});
}

core::text_rows rows_in(reply const& answer) {
  core::text_rows rows;
  if (!core::decode_rows(answer.payload, rows)) undecodable("");
  return rows;
}

}  // namespace

call_ref ask_to_explain(engine_ref const& where, id_pair call) {
  return begin_order(where, core::explain_call, core::encode_call_id({call.session, call.number}));
}

named_texts explained_in(reply const& answer) {
  named_texts said;
  for (auto& row : rows_in(answer))
    if (row.size() == 2) said.emplace_back(std::move(row[0]), std::move(row[1]));
  return said;
}

call_ref ask_for_workers(engine_ref const& where) { return begin_order(where, core::list_workers, {}); }

std::vector<named_texts> workers_in(reply const& answer) {
  std::vector<named_texts> all;
  for (auto& row : rows_in(answer)) {
    auto& worker = all.emplace_back();
    for (std::size_t i = 0; i < std::min(row.size(), std::size(core::worker_columns)); ++i)
      worker.emplace_back(core::worker_columns[i], std::move(row[i]));
  }
  return all;
}

call_ref ask_for_pools(engine_ref const& where) {
  return begin_order(where, core::list_pools, std::string(core::pools_and_why));
}

std::vector<pool_snapshot> pools_in(reply const& answer) {
  return runtime_detail::pools_seen(runtime_detail::pool_rows_in(answer));
}

call_ref ask_for_usage(engine_ref const& where) { return begin_order(where, core::list_usage, {}); }

std::vector<usage_snapshot> usage_in(reply const& answer) {
  return runtime_detail::usage_seen(runtime_detail::usage_rows_in(answer));
}

call_ref ask_for_schedules(engine_ref const& where) { return begin_order(where, core::list_schedules, {}); }

std::vector<schedule_snapshot> schedules_in(reply const& answer) {
  std::vector<schedule_snapshot> all;
  runtime_detail::add_kept(answer.payload, all);
  return all;
}

call_ref ask_to_change(engine_ref const& where, std::uint64_t schedule, schedule_change change) {
  return begin_order(where, core::tell_schedule,
                     core::encode_change(schedule, runtime_detail::in_core(change)));
}

bool has_changed(reply const& answer) { return !answer.payload.empty(); }

std::optional<double> map_seen::fraction() const {
  if (!total) return std::nullopt;
  if (*total == 0) return 1;
  return std::min((static_cast<double>(done) + running) / static_cast<double>(*total), 1.0);
}

std::optional<std::chrono::nanoseconds> map_seen::left() const {
  auto const whole = fraction();
  if (!whole || *whole <= 0) return std::nullopt;
  auto const seconds = std::chrono::duration<double>(elapsed).count() * (1 - *whole) / *whole;
  constexpr double most = 1e9;  // a number of no meaning by then, and one that fits
  return std::chrono::duration_cast<std::chrono::nanoseconds>(
      std::chrono::duration<double>(std::min(seconds, most)));
}

call_ref ask_for_maps(engine_ref const& where) { return begin_order(where, core::list_maps, {}); }

std::vector<map_seen> maps_in(reply const& answer) {
  std::vector<core::map_census> rows;
  if (!core::decode_maps(answer.payload, rows)) undecodable("of maps ");
  std::vector<map_seen> all;
  constexpr double millionths = 1'000'000;
  for (auto& [said, session, credential] : rows)
    all.push_back({.id = to_string(call_id{session, said.number}),
                   .task = std::move(said.task),
                   .done = said.done,
                   .failed = said.failed,
                   .total = said.total,
                   .running = static_cast<double>(said.running) / millionths,
                   .elapsed = std::chrono::nanoseconds(said.elapsed),
                   .credential = std::move(credential)});
  return all;
}

std::vector<map_seen> maps_of(engine_ref const& where) {
  auto const answer = ask_for_maps(where);
  wait(*answer);
  if (auto const* const failure = failure_of(*answer))
    throw_error({.code = failure->code, .message = failure->message});
  return maps_in(take_reply(*answer));
}

call_ref ask_for_printed(engine_ref const& where, id_pair call, std::uint64_t after) {
  return begin_order(where, core::read_logs, core::encode_log_order({{call.session, call.number}, after}));
}

printed_page printed_in(reply const& answer) {
  core::log_page page;
  if (!core::decode_log_page(answer.payload, page)) undecodable("of logs ");
  printed_page made{.ended = page.state == core::log_state::unknown || page.state == core::log_state::ended,
                    .more = page.more,
                    .next = page.next,
                    .printed = {}};
  for (auto& one : page.entries) made.printed.push_back({one.at, std::move(one.worker), std::move(one.text)});
  return made;
}

}  // namespace detail
}  // namespace yonder
