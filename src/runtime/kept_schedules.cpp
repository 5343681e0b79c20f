// SPDX-License-Identifier: Apache-2.0
// Schedules that a hub keeps in its journal, and what is said of any.
#include <algorithm>
#include <span>
#include <utility>

#include "src/core/call_orders.hpp"
#include "src/core/plain_fields.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/orders.hpp"
#include "src/runtime/schedule_terms.hpp"
#include "src/runtime/schedules.hpp"
#include "src/runtime/time_zone_file.hpp"
#include "yonder/error.hpp"

namespace yonder {
namespace runtime_detail {
namespace {

[[noreturn]] void refuse(std::string message) {
  detail::throw_error({.code = errc::bad_configuration, .message = std::move(message)});
}

}  // namespace

// What is refused of it is refused before anything is kept.
core::schedule_terms terms_of(detail::schedule_times const& times, schedule_options&& how) {
  constexpr auto longest = std::chrono::nanoseconds(core::longest_period);
  if (how.jitter.count() < 0 || how.jitter > longest) refuse("the jitter of a schedule is 0 to ten years");
  core::schedule_terms terms{.name = std::move(how.name),
                             .when = times.line + " " + times.zone,
                             .line = {},
                             .zone = {},
                             .overlap = how.overlap == overlap::skip   ? core::overlap_policy::skip
                                        : how.overlap == overlap::wait ? core::overlap_policy::wait
                                                                       : core::overlap_policy::allow,
                             .missed = how.missed == missed::once   ? core::missed_policy::once
                                       : how.missed == missed::skip ? core::missed_policy::skip
                                                                    : core::missed_policy::all,
                             .jitter = how.jitter.count()};
  if (!times.of_clocks) {
    if (times.period < std::chrono::milliseconds(1) || times.period > longest)
      refuse("the period of a schedule is 1 ms to ten years");
    auto const milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(times.period).count();
    terms.when = "every " + (milliseconds % 1000 == 0 ? std::to_string(milliseconds / 1000) + " s"
                                                      : std::to_string(milliseconds) + " ms");
    terms.period = times.period.count();
    return terms;
  }
  try {
    core::cron_times const looked_at(times.line);
    terms.line = times.line;
    terms.zone = load_time_zone(times.zone);
  } catch (std::bad_alloc const&) {
    throw;
  } catch (std::exception const& error) {
    refuse(error.what());
  }
  return terms;
}

schedule_snapshot snapshot_of(core::schedule_row&& row) {
  using clock = std::chrono::system_clock;
  schedule_snapshot made{.id = row.id,
                         .name = std::move(row.name),
                         .when = std::move(row.when),
                         .paused = row.paused,
                         .running = row.running,
                         .runs = row.runs,
                         .skipped = row.skipped};
  if (row.next)
    made.next =
        clock::time_point(std::chrono::duration_cast<clock::duration>(std::chrono::nanoseconds(*row.next)));
  return made;
}

core::schedule_change in_core(detail::schedule_change change) noexcept {
  switch (change) {
    case detail::schedule_change::pause: return core::schedule_change::pause;
    case detail::schedule_change::resume: return core::schedule_change::resume;
    case detail::schedule_change::fire: return core::schedule_change::fire;
    case detail::schedule_change::stop: break;
  }
  return core::schedule_change::stop;
}

void add_kept(std::span<std::byte const> said, std::vector<schedule_snapshot>& all) {
  std::vector<core::kept_schedule_row> rows;
  if (!core::decode_schedules(said, rows))
    detail::throw_error(
        {.code = errc::undecodable, .message = "what the hub says of schedules does not decode"});
  for (auto& one : rows) {
    auto& made = all.emplace_back(snapshot_of(std::move(one.row)));
    made.failed = one.failed;
    made.last_error = std::move(one.last_error);
    made.durable = true;
  }
}

}  // namespace runtime_detail

namespace detail {

// The hub answers it when it has the schedule on disk. It may come again: it is the same schedule then.
std::uint64_t keep_schedule(engine_ref const& where, schedule_times const& times, schedule_options&& how,
                            task_entry const& task, options const& settings, outgoing&& call) {
  auto terms = runtime_detail::terms_of(times, std::move(how));
  if (settings.idempotency_key)
    throw_error({.code = errc::bad_configuration,
                 .message = "the calls of a schedule take no idempotency_key: each is made once"});
  terms.deadline = policy_of(settings).deadline;
  add_schedule_terms(core::encode_terms(terms), call);
  auto asked_as = settings;
  asked_as.deadline.reset();
  asked_as.retries.reset();
  asked_as.durable = false;
  asked_as.idempotent = true;
  auto const asked = where->submit(task, asked_as, std::move(call), departure::awaited);
  detail::wait(*asked);
  if (auto const* const failure = detail::failure_of(*asked))
    throw_error({.code = failure->code, .message = failure->message});
  core::field_reader from(take_reply(*asked).payload);
  std::uint64_t id = 0;
  if (!from.take(id) || !core::is_kept_schedule(id))
    throw_error({.code = errc::undecodable,
                 .message = "the hub does not know of schedules; is it of an earlier version?"});
  return id;
}

namespace {

bool change_kept(engine& where, std::uint64_t id, schedule_change change) {
  return !where.ask(core::tell_schedule, core::encode_change(id, runtime_detail::in_core(change))).empty();
}

}  // namespace

bool change_schedule(engine& where, std::uint64_t id, schedule_change change) {
  if (core::is_kept_schedule(id)) return change_kept(where, id, change);
  auto const all = where.schedules(false);
  return all != nullptr && all->change(id, change);
}

std::vector<schedule_snapshot> schedules_of(engine& where, bool asks) {
  auto const own = where.schedules(false);
  auto all = own != nullptr ? own->look() : std::vector<schedule_snapshot>();
  if (where.is_ours() && (where.has_own_hub() ? where.has_journal() : asks)) {
    auto const said = where.ask(core::list_schedules, {});
    runtime_detail::add_kept(std::as_bytes(std::span(said)), all);
  }
  return all;
}

bool is_kept_elsewhere(engine const& where, std::uint64_t id) noexcept {
  return core::is_kept_schedule(id) && !where.has_own_hub();
}

}  // namespace detail
}  // namespace yonder
