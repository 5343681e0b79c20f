// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/schedules.hpp"

#include <poll.h>
#include <time.h>

#include <random>
#include <stdexcept>
#include <utility>

#include "src/platform/process.hpp"
#include "src/platform/thread.hpp"
#include "src/runtime/engine.hpp"
#include "src/runtime/schedule_terms.hpp"
#include "yonder/error.hpp"
#include "yonder/exception.hpp"

namespace yonder {
namespace runtime_detail {
namespace {

std::uint64_t drawn_seed() {
  std::random_device device;
  return std::uint64_t{device()} << 32U | device();
}

}  // namespace

core::clock_reading schedules::clocks() {
  timespec wall{};
  ::clock_gettime(CLOCK_REALTIME, &wall);
  return {platform::now(), std::int64_t{wall.tv_sec} * 1'000'000'000 + wall.tv_nsec};
}

schedules::schedules() : table_(drawn_seed()) {
  thread_ = platform::start_thread("yonder-schedule", [this] { run(); });
}

schedules::~schedules() { stop(); }

void schedules::stop() {
  {
    std::lock_guard const lock(mutex_);
    if (std::exchange(stopping_, true)) return;
  }
  wakes_.add();
  thread_.join();
  for (auto& one : runs_) detail::forget_to_tell(*one.call, &told, &one);
}

std::uint64_t schedules::add(core::schedule_spec&& spec, start_call start) {
  auto shared = std::make_shared<start_call const>(std::move(start));
  std::lock_guard const lock(mutex_);
  auto const id = table_.add(std::move(spec), clocks());
  jobs_.emplace(id, job{std::move(shared)});
  wakes_.add();
  return id;
}

// What was due, and has not begun, does not begin any more: but by hand where it is only paused.
bool schedules::change(std::uint64_t id, detail::schedule_change change) {
  decltype(jobs_)::node_type ending;
  std::lock_guard const lock(mutex_);
  wakes_.add();
  switch (change) {
    case detail::schedule_change::pause:
      for (auto left = std::erase(due_, id); left != 0; --left) table_.withdraw(id);
      return table_.pause(id);
    case detail::schedule_change::resume: return table_.resume(id, clocks());
    case detail::schedule_change::fire: return table_.fire(id, by_hand_);
    case detail::schedule_change::stop: break;
  }
  std::erase(due_, id);
  std::erase(by_hand_, id);
  ending = jobs_.extract(id);
  return table_.remove(id);
}

std::vector<schedule_snapshot> schedules::look() {
  std::vector<schedule_snapshot> all;
  std::lock_guard const lock(mutex_);
  for (auto& row : table_.rows(clocks())) {
    auto const& own = jobs_.at(row.id);
    auto one = snapshot_of(std::move(row));
    one.failed = own.failed;
    one.last_error = own.last_error;
    all.push_back(std::move(one));
  }
  return all;
}

void schedules::run() {
  std::size_t due = 0;
  for (core::time_point next = core::never; look_at_clocks(due, next);) {
    if (due == 0) sleep_until(next);
    while (due != 0 && begin_next()) --due;
  }
}

// How many runs are to begin now, and when the next ones are. False: it stops.
bool schedules::look_at_clocks(std::size_t& due, core::time_point& next) {
  std::list<run_of> ended;
  std::lock_guard const lock(mutex_);
  if (stopping_) return false;
  take_ended(ended);
  auto const now = clocks();
  table_.step(now, due_);
  next = table_.next(now);
  due = due_.size() + by_hand_.size();
  return true;
}

// One run, unless its schedule was paused or stopped meanwhile. False: there is none.
bool schedules::begin_next() {
  std::uint64_t id = 0;
  shared_start start;
  {
    std::lock_guard const lock(mutex_);
    auto& from = due_.empty() ? by_hand_ : due_;
    if (from.empty() || stopping_) return false;
    id = from.front();
    from.erase(from.begin());
    start = jobs_.at(id).start;
  }
  begin(id, *start);
  return true;
}

// Code of users is what writes their arguments; what it throws is the failure of this run.
void schedules::begin(std::uint64_t id, start_call const& start) {
  try {
    auto const made = runs_.insert(runs_.end(), {this, id, start()});
    made->self = made;
    if (!detail::tell_when_done(*made->call, &told, &*made)) told(&*made);
  } catch (std::exception const& error) {
    note_failure(id, detail::text_of(error));
  } catch (...) {
    note_failure(id, "not derived from std::exception");
  }
}

void schedules::note_failure(std::uint64_t id, std::string const& why) {
  std::lock_guard const lock(mutex_);
  note_end(id, &why);
}

// On any thread, under the engine's lock. Takes no memory.
void schedules::told(void* run) {
  auto* const one = static_cast<run_of*>(run);
  {
    std::lock_guard const lock(one->owner->ended_mutex_);
    one->next_ended = std::exchange(one->owner->last_ended_, one);
  }
  one->owner->wakes_.add();
}

void schedules::take_ended(std::list<run_of>& ended) {
  run_of* last = nullptr;
  {
    std::lock_guard const lock(ended_mutex_);
    last = std::exchange(last_ended_, nullptr);
  }
  run_of* first = nullptr;
  while (last != nullptr) {
    auto* const before = std::exchange(last->next_ended, first);
    first = std::exchange(last, before);
  }
  for (auto* one = first; one != nullptr; one = one->next_ended) {
    auto const* const failure = detail::failure_of(*one->call);
    note_end(one->id, failure != nullptr ? &failure->message : nullptr);
    ended.splice(ended.end(), runs_, one->self);
  }
}

void schedules::note_end(std::uint64_t id, std::string const* error) {
  table_.ended(id, due_);
  auto const found = jobs_.find(id);
  if (found == jobs_.end() || error == nullptr) return;
  ++found->second.failed;
  found->second.last_error = *error;
}

void schedules::sleep_until(core::time_point next) const {
  auto const left = std::max<std::int64_t>(next - platform::now(), 0);
  timespec const time{static_cast<time_t>(left / 1'000'000'000), static_cast<long>(left % 1'000'000'000)};
  pollfd seen[]{{wakes_.descriptor(), POLLIN, 0}, {clock_watch_.descriptor(), POLLIN, 0}};
  ::ppoll(seen, 2, next == core::never ? nullptr : &time, nullptr);
  wakes_.clear();
  clock_watch_.clear();
}

}  // namespace runtime_detail

namespace detail {
namespace {

[[noreturn]] void throw_no_schedules() {
  throw_error({.code = errc::no_runtime,
               .message = "the runtime of this schedule has ended, or is another process's"});
}

}  // namespace

std::uint64_t add_schedule(engine_ref const& where, schedule_times const& times, schedule_options&& how,
                           std::function<call_ref()> start) {
  auto const all = where->schedules(true);
  if (all == nullptr) throw_no_schedules();
  return all->add(core::spec_of(runtime_detail::terms_of(times, std::move(how))), std::move(start));
}

}  // namespace detail
}  // namespace yonder
