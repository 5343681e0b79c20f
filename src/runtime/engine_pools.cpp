// SPDX-License-Identifier: Apache-2.0
// What workers are given, and how many there are.
#include <time.h>

#include <algorithm>
#include <chrono>
#include <iterator>
#include <span>
#include <utility>

#include "src/core/call_orders.hpp"
#include "src/platform/machine.hpp"
#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/needs.hpp"
#include "src/runtime/orders.hpp"
#include "src/runtime/snapshot.hpp"
#include "yonder/error.hpp"

namespace yonder::detail {

using platform::now;

// On a thread of its own: what nvidia-smi is asked takes long.
void engine::observe_machine() {
  observer_ = platform::start_thread("yonder-machine", [this] {
    auto has = runtime_detail::observed_machine();
    lock held(mutex_);
    if (lead_.ending()) return;
    time_ = now();
    survive(held, [&] {
      endurance_.once([&] { hub_->observed(time_, std::move(has), hub_due_.items()); });
      carry_out();
      flush();
    });
    wake_leader_if_needed();
  });
}

// Whether that is the embedded one.
bool engine::asks_own_hub() {
  if (!is_ours())
    throw_error(
        {.code = errc::no_runtime, .message = "this process is a fork of the one that made the runtime"});
  return config_.hub.has_value();
}

template <class Change>
void engine::change_pool(Change&& change) {
  lock held(mutex_);
  if (lead_.ending()) throw_error({.code = errc::disconnected, .message = why_ended()});
  time_ = now();
  std::optional<core::failure> refused;
  survive(held, [&] {
    endurance_.once([&] { refused = change(); });
    carry_out();
    flush();
  });
  wake_leader_if_needed();
  if (refused) throw_error({.code = refused->code, .message = std::move(refused->message)});
}

namespace {

task_entry const& entry_of(std::string_view order) {
  constexpr auto no_signature = [] { return std::uint64_t{0}; };
  static constinit task_entry entries[] = {
      {core::scale_pool, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::warm_pool, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::list_pools, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::explain_call, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::cancel_call, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::list_schedules, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::tell_schedule, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::list_workers, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::tell_journal, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::tell_map, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::list_maps, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::read_logs, no_signature, nullptr, nullptr, nullptr, nullptr, false},
      {core::list_usage, no_signature, nullptr, nullptr, nullptr, nullptr, false}};
  return *std::find_if(std::begin(entries), std::end(entries),
                       [&](auto const& one) { return one.name == order; });
}

}  // namespace

namespace {

outgoing order_call(task_entry const& entry, options const& settings, std::string const& payload) {
  auto call = begin_call(entry, settings);
  call.content.head.append(payload.data(), payload.size());
  return call;
}

}  // namespace

// A hub elsewhere is asked by a call, which it answers itself; one that is lost on its way may be made again.
call_ref engine::ask_hub(task_entry const& entry, std::string const& payload) {
  options const settings{.idempotent = true};
  auto asked = submit(entry, settings, order_call(entry, settings, payload), departure::awaited);
  detail::wait(*asked);
  if (auto const* const failure = detail::failure_of(*asked))
    throw_error({.code = failure->code, .message = failure->message});
  return asked;
}

void engine::scale(core::pool_order const& order) {
  if (!asks_own_hub())
    return static_cast<void>(ask_hub(entry_of(core::scale_pool), core::encode_order(order)));
  change_pool([&] { return hub_->scale(time_, order, hub_due_.items()); });
}

void engine::warm(core::pool_order const& order) {
  if (!asks_own_hub())
    return static_cast<void>(ask_hub(entry_of(core::warm_pool), core::encode_order(order)));
  change_pool([&] { return hub_->warm(time_, order, hub_due_.items()); });
}

std::vector<core::pool_census> engine::pools() {
  if (asks_own_hub()) {
    lock const held(mutex_);
    return hub_->pools();
  }
  auto const answer = ask_hub(entry_of(core::list_pools), std::string(core::pools_and_why));
  return runtime_detail::pool_rows_in(take_reply(*answer));
}

std::string engine::ask(std::string_view order, std::string const& payload) {
  auto const answer = ask_hub(entry_of(order), payload);
  auto const said = take_reply(*answer).payload;
  return {reinterpret_cast<char const*>(said.data()), said.size()};
}

std::string ask_hub(engine& where, std::string_view order, std::string const& payload) {
  return where.ask(order, payload);
}

bool has_own_hub(engine const& where) noexcept { return where.has_own_hub(); }

call_ref begin_order(engine_ref const& where, std::string_view order, std::string const& payload) {
  options const settings{.idempotent = true};
  auto const& entry = entry_of(order);
  return submit(where, entry, settings, order_call(entry, settings, payload), departure::now);
}

// Of the calendar, as the machine's clock and time zone have it. Somebody may set them: it is looked at again
// soon.
void engine::begin_day() {
  constexpr auto look_again = 60 * core::second;
  day_ends_ = time_ + look_again;
  if (!hub_) return;
  auto const seconds = std::chrono::system_clock::to_time_t(std::chrono::system_clock::now());
  std::tm local{};
  if (::localtime_r(&seconds, &local) == nullptr) return;
  std::chrono::sys_days const day =
      std::chrono::year(local.tm_year + 1900) / (local.tm_mon + 1) / local.tm_mday;
  hub_->begin_day(static_cast<std::uint32_t>(day.time_since_epoch().count()));
}

std::vector<core::usage_row> engine::usage() {
  if (asks_own_hub()) {
    lock const held(mutex_);
    return hub_->usage();
  }
  return runtime_detail::usage_rows_in(take_reply(*ask_hub(entry_of(core::list_usage), {})));
}

runtime_snapshot engine::snapshot() {
  lock const held(mutex_);
  auto seen = hub_ ? runtime_detail::snapshot_of(*hub_, now()) : runtime_snapshot();
  if (config_.traces) {
    seen.traced = config_.traces->written();
    seen.traces_lost = config_.traces->lost();
  }
  return seen;
}

}  // namespace yonder::detail
