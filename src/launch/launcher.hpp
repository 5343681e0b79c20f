// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <limits>
#include <string>
#include <string_view>
#include <vector>

#include "src/platform/process.hpp"
#include "src/runtime/launching.hpp"
#include "src/runtime/worker_order.hpp"

namespace yonder::launch {

// Nanoseconds of the monotonic clock.
using time_point = std::int64_t;
inline constexpr time_point never = std::numeric_limits<time_point>::max();
inline constexpr std::int64_t second = 1'000'000'000;

// What one worker is to have; 0: nothing is said of it.
struct worker_needs {
  std::uint32_t cpus = 0;
  std::uint32_t gpus = 0;
  std::uint64_t gpu_memory = 0;  // bytes, on each
  std::uint64_t memory = 0;      // bytes
};

// One worker that is to be started somewhere.
struct start_request {
  std::uint64_t start = 0;  // its number, unique in the life of its hub
  // For schedulers and clouds: of small letters, digits and '-', at most 40 of them, unique among all hubs.
  // It begins with hub_name and '-', by which a hub knows what is its own.
  std::string name{};
  std::string hub_name{};
  std::vector<std::string> worker{};       // the program and its arguments, which are those of a worker
  runtime_detail::worker_order order{};    // that the worker reads; secret
  std::vector<std::string> environment{};  // NAME=value; nothing of it is secret
  std::vector<std::string> before{};       // lines of a shell: run_behind()
  worker_needs needs{};
  std::int64_t time_limit = 0;  // nanoseconds from its start to its end, as its pool says; 0: none
  std::int64_t patience = 0;    // nanoseconds, with what starts it; 0: the launcher's own
};

struct launch_event {
  enum class kind : std::uint8_t {
    held,    // it waits, as there is no room for it now: `text` says why
    waits,   // it is under way, and not there yet: `text` says why; for people
    placed,  // it runs somewhere; from now on its worker is expected: `text` says what was run and printed
    failed,  // there is none, and nothing is left of it: `text` says what was run and printed
    ended,   // what was placed is no more: `text` says how, as far as it is known
    stop_failed,  // a stop was refused, or not carried out: it may still run, and cost
    notice,       // a line for whoever runs the hub
  };
  kind what{};
  std::uint64_t start = 0;
  std::string text{};
};

using runtime_detail::teller;

// Starts workers by one means, as it is told: it decides nothing. Whoever uses it keeps to limits, pauses
// after failures, and tries again what was refused (driver::launch_ledger). Nothing blocks. Used under the
// engine's lock.
//
// Of each start there is, in this order: `held` and `waits`, `placed` (once at most), then `failed` (if it
// was not placed) or `ended`, after which nothing follows. `stop_failed` may come in between, and `waits`
// until its worker has come.
class launcher {
 public:
  virtual ~launcher() = default;

  virtual void start(start_request const& wanted) = 0;

  // Ends what was started, in whatever state it is; `ended` or `failed` follows once it is gone,
  // `stop_failed` if that was refused. Nothing for what is not known.
  virtual void stop(std::uint64_t start) = 0;

  // The worker of that start has come: where it runs is well.
  virtual void served(std::uint64_t /*start*/) {}

  // Appends what has happened since.
  virtual void take(std::vector<launch_event>& happened) = 0;

  // What start() would run, line by line, without its secrets: for a dry run. Touches nothing.
  virtual std::string describe(start_request const& wanted) const = 0;

  // When tick() has something to do; may be in the past.
  virtual time_point next_deadline() const = 0;
  virtual void tick(time_point now) = 0;

  // The hub ends: gives up everything, and returns true when that is done, or has taken as long as it may;
  // false at `until`, about, after which it is called again, and nothing else is. What can be ended without
  // waiting for it is; the rest ends by itself, as its workers hear no hub any more. Lines for whoever runs
  // the hub go to `say_to`.
  virtual bool leave_until(time_point until, teller const& say_to) = 0;

  // The same, until it is done.
  void leave(teller const& say_to) {
    while (!leave_until(platform::now() + second, say_to)) {
    }
  }
};

// The command, once a login shell has run these lines, which have no input, and of which none has failed;
// what they set is there, but for what `environment` (NAME=value) says, which a profile of that shell must
// not replace either. Without lines the command itself: the environment is for who runs it to set.
std::vector<std::string> run_behind(std::vector<std::string> const& lines,
                                    std::vector<std::string> const& environment,
                                    std::vector<std::string> command);

// Stands in a worker's words for the build that the calls ask for which it is started for.
inline constexpr std::string_view build_placeholder = "{build}";

// These words with that build's 16 digits, or `any` where none is asked for (0).
std::vector<std::string> of_build(std::vector<std::string> worker, std::uint64_t build);

// A script for /bin/sh that starts the worker wherever it is run. It holds the order: it is as secret.
std::string worker_script(start_request const& wanted);

}  // namespace yonder::launch
