// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/detail/call_state.hpp"
#include "yonder/detail/durations.hpp"
#include "yonder/detail/export.hpp"
#include "yonder/detail/task_parameters.hpp"

// Calls that are made again and again: docs/schedules.md.
namespace yonder {

// What is done where a schedule is due and its last call has not ended.
enum class overlap : unsigned char {
  skip,  // nothing
  wait,  // it is called when that one has ended, once
  allow  // it is called beside it
};

// What is done about times at which nobody was there: the hub was away, the machine slept, its clock was put
// forward. At most 1000 calls are made up for.
enum class missed : unsigned char {
  once,  // one call for all of them
  skip,  // nothing, for those more than ten seconds ago
  all    // a call for each, one after the other unless they may overlap
};

// How a schedule's calls are made.
struct schedule_options {
  yonder::overlap overlap = yonder::overlap::skip;  // where the last call has not ended
  yonder::missed missed = yonder::missed::once;     // of times that have gone by
  std::chrono::nanoseconds jitter{};                // each call is late by up to so much, by chance
  std::string name{};  // empty: the task's. Of a durable task: by which it is known
};

// One schedule at one moment.
struct schedule_snapshot {
  std::uint64_t id = 0;       // as schedule::id()
  std::string name{};         // as the options say, or the task's
  std::string when{};         // "every 300 s", "0 7 * * 1-5 Europe/Berlin"
  bool paused = false;        // it makes no calls until it is resumed
  unsigned running = 0;       // calls that have not ended
  std::uint64_t runs = 0;     // calls that were made
  std::uint64_t failed = 0;   // of them
  std::uint64_t skipped = 0;  // times at which none was made, as the one before went on or it was too late
  std::string last_error{};   // of the last one that failed
  std::optional<std::chrono::system_clock::time_point> next{};  // nothing: it is paused, or never due again
  bool durable = false;                                         // its hub keeps it, and makes its calls
};

namespace detail {

enum class schedule_change : unsigned char { pause, resume, fire, stop };

// A period, or, `of_clocks`, a line of a crontab in a time zone.
struct schedule_times {
  bool of_clocks = false;
  std::chrono::nanoseconds period{};
  std::string line{};
  std::string zone{};
};

// Throws usage_error: bad_configuration, in words.
YONDER_API std::uint64_t add_schedule(engine_ref const& where, schedule_times const& times,
                                      schedule_options&& how, std::function<call_ref()> start);
// The same of a durable task: its hub keeps it, and the call, in its journal. Throws what that refuses.
YONDER_API std::uint64_t keep_schedule(engine_ref const& where, schedule_times const& times,
                                       schedule_options&& how, task_entry const& task,
                                       options const& settings, outgoing&& call);
// False: there is no such schedule any more. Of one that a hub elsewhere keeps it asks that, and throws what
// a call does.
YONDER_API bool change_schedule(engine& where, std::uint64_t id, schedule_change change);
// Those of this process, then those that its hub keeps; `asks`: a hub elsewhere, too. That one keeps this
// one.
YONDER_API std::vector<schedule_snapshot> schedules_of(engine& where, bool asks = true);
YONDER_API bool is_kept_elsewhere(engine const& where, std::uint64_t id) noexcept;

inline schedule_options named(schedule_options how, std::string_view task) {
  if (how.name.empty()) how.name = task;
  return how;
}

// Makes the call, with arguments that it owns.
template <class Task, class... P, class... A>
std::function<call_ref()> starter(Task const& task, type_list<P...>, A&&... a) {
  static_assert(sizeof...(P) == sizeof...(A) && (std::is_constructible_v<wire_type_t<P>, A> && ...),
                "yonder: every() and cron() take the task's arguments behind it");
  return [task, arguments = std::tuple<wire_type_t<P>...>(wire_type_t<P>(std::forward<A>(a))...)] {
    return std::apply([&task](auto const&... each) { return task.start_unattended(each...); }, arguments);
  };
}

// The call that is repeated, as it travels.
template <class Task, class... P, class... A>
outgoing repeated_call(Task const& task, type_list<P...>, A&&... a) {
  std::tuple<wire_type_t<P>...> arguments(wire_type_t<P>(std::forward<A>(a))...);
  return std::apply(
      [&task](auto&... each) {
        std::string_view needs;
        if constexpr (requires { task.needs(); }) needs = task.needs();
        batch_terms batch;
        if constexpr (has_batches<Task>) batch = task.batch_of(each...);
        auto call = begin_call(Task::entry(), task.settings(), needs, batch);
        encode_owned(call.content, std::move(each)...);
        return call;
      },
      arguments);
}

template <class Task, class... A>
std::uint64_t make_schedule(engine_ref const& where, schedule_times const& times, schedule_options&& how,
                            Task const& task, A&&... a) {
  how = named(std::move(how), Task::name);
  if (task.settings().durable.value_or(false))
    return keep_schedule(where, times, std::move(how), Task::entry(), task.settings(),
                         repeated_call(task, parameters_of_t<Task>(), std::forward<A>(a)...));
  return add_schedule(where, times, std::move(how),
                      starter(task, parameters_of_t<Task>(), std::forward<A>(a)...));
}

}  // namespace detail

// A schedule of a runtime, for as long as that stands; of a durable task: of its hub, until it is stopped. A
// copy is the same one.
class schedule {
 public:
  schedule(detail::engine_ref where, std::uint64_t id) : where_(std::move(where)), id_(id) {}

  // Makes no calls until resume(), but by fire().
  void pause() const { detail::change_schedule(*where_, id_, detail::schedule_change::pause); }
  // What was due meanwhile is not made up for.
  void resume() const { detail::change_schedule(*where_, id_, detail::schedule_change::resume); }
  // A call now, besides, as overlap allows it.
  void fire() const { detail::change_schedule(*where_, id_, detail::schedule_change::fire); }
  // Makes no calls any more; one that runs, or is just being made, goes on.
  void stop() const { detail::change_schedule(*where_, id_, detail::schedule_change::stop); }

  [[nodiscard]] std::uint64_t id() const noexcept { return id_; }  // as schedules() lists it

 private:
  detail::engine_ref where_;
  std::uint64_t id_;
};

// Calls the task with these arguments every `period` (1 ms at least), for the first time when one has passed,
// until the runtime ends or the schedule is stopped. Periods are counted on a clock that nobody sets.
//
//   yonder::every(5min, refresh, "https://example.org");
//
// Where the task is durable (options::durable) the hub keeps the schedule in its journal and makes the calls,
// whatever is killed and whether or not this program runs, until it is stopped. It is known by its name: made
// again under that by the same credential, it is the same one, with these terms from now on.
//
// Throws usage_error where there is no runtime, or no such period; of a durable task also what spawn() does.
template <class Task, class... A>
schedule every(std::chrono::nanoseconds period, schedule_options how, Task const& task, A&&... a) {
  auto where = task.where();
  auto const id =
      detail::make_schedule(where, {.period = period}, std::move(how), task, std::forward<A>(a)...);
  return {std::move(where), id};
}
template <class Task, class... A>
requires(!std::is_same_v<Task, schedule_options>) schedule
    every(std::chrono::nanoseconds period, Task const& task, A&&... a) {
  return every(period, schedule_options(), task, std::forward<A>(a)...);
}

// Calls the task when clocks in `zone` ("Europe/Berlin", "UTC") show what `line` says: minute, hour, day of
// the month, month, day of the week, as in a crontab.
//
//   yonder::cron("0 7 * * 1-5", "Europe/Berlin", report);
//
// A time that clocks are put forward over is due when that happens, one that they show twice the first time;
// a line for every hour goes by what they show. Throws usage_error where there is no runtime, no such zone,
// or no such time.
template <class Task, class... A>
schedule cron(std::string_view line, std::string_view zone, schedule_options how, Task const& task,
              A&&... a) {
  auto where = task.where();
  auto const id =
      detail::make_schedule(where, {.of_clocks = true, .line = std::string(line), .zone = std::string(zone)},
                            std::move(how), task, std::forward<A>(a)...);
  return {std::move(where), id};
}
template <class Task, class... A>
requires(!std::is_same_v<Task, schedule_options>) schedule
    cron(std::string_view line, std::string_view zone, Task const& task, A&&... a) {
  return cron(line, zone, schedule_options(), task, std::forward<A>(a)...);
}

// Those of the process's current runtime, in the order in which they were made, and those that its hub keeps
// for its credential (an operator's: for all). Throws usage_error where there is none, and what a call does
// where the hub cannot be asked.
inline std::vector<schedule_snapshot> schedules() { return detail::schedules_of(*detail::current_engine()); }

}  // namespace yonder
