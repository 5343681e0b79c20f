// SPDX-License-Identifier: Apache-2.0
//
// Workers that are killed or stopped.
#include <signal.h>

#include <optional>

#include "tests/e2e/folder.hpp"
#include "tests/e2e/site.hpp"
#include "tests/faults/machine.hpp"
#include "tests/faults/row.hpp"
#include "tests/faults/tasks.hpp"

namespace faults {
namespace {

using yonder::errc;

// What the machine takes itself to end a process, and to tell.
nanoseconds end_of_bare_process() {
  auto const process = yonder::platform::spawn(
      {.path = "sleep", .arguments = {"sleep", "60"}, .environment = {}, .output = -1, .inherited = {}});
  auto const begin = clock::now();
  process.kill(SIGKILL);
  process.wait();
  return clock::now() - begin;
}

// Each call has a slot of its own. One of 16 may be made again: more would wait for retries' budget.
void kill_workers(findings& seen) {
  e2e::folder const place;
  board const shared(place / "board");
  yonder::runtime here({.max = 2, .buffer = 1});
  sample_of_times detected;
  std::vector<yonder::call<std::uint32_t>> repeated;
  std::uint64_t hangs = 0, wrong = 0, extra = 0;
  sample_of_times bare;
  std::uint32_t const kills = seen.how_much().of(200U, 100'000U);
  for (std::uint32_t i = 0; i < kills && hangs == 0; ++i) {
    bool const again = i % 16 == 0;
    auto const at = i % board::slots;
    auto& slot = shared[at];
    slot.entered.store(0);
    auto call = task::hold.on(here).with({.retries = again ? 1U : 0U}).spawn(shared.path(), at, 1U);
    if (!board::reaches(slot.entered, 1, 30s)) {
      ++hangs;
      break;
    }
    auto const begin = clock::now();
    ::kill(slot.process.load(), SIGKILL);
    if (again) {
      bare.add(end_of_bare_process());
      repeated.push_back(std::move(call));
      continue;
    }
    call.wait();
    detected.add(clock::now() - begin);
    auto const failure = failure_of(call);
    if ((failure.code != errc::worker_lost || failure.signal != SIGKILL) && ++wrong == 1)
      seen.note("first wrong: " + failure.message);
    if (slot.entered.load() != 1) ++extra;
  }
  for (auto& call : repeated)
    if (auto const failure = failure_of(call); failure.code != errc{} && ++wrong == 1)
      seen.note("first wrong: " + failure.message);
  seen.at_most("detected, p99 of " + std::to_string(detected.size()), detected.percentile(99), 50ms,
               bare.percentile(99));
  seen.equals("hangs", hangs, 0);
  seen.equals("lost or wrong", wrong, 0);
  seen.equals("executions too many", extra, 0);
}

void stop_local(findings& seen) {
  e2e::folder const place;
  board const shared(place / "board");
  yonder::runtime here({.max = 1});
  auto& slot = shared[0];
  stall_watch machine;
  nanoseconds longest{};
  std::uint64_t wrong = 0, alive = 0;
  std::uint32_t const times = seen.how_much().of(4U, 1'000U);
  for (std::uint32_t i = 1; i <= times; ++i) {
    slot.entered.store(0);
    slot.open.store(0);
    auto call = task::hold.on(here).spawn(shared.path(), 0U, 1U);
    auto behind = task::enter.on(here).spawn(shared.path(), 1U);
    if (!board::reaches(slot.entered, 1, 30s)) return seen.holds("a call was not begun within 30 s", false);
    auto const process = slot.process.load();
    auto const begin = clock::now();
    ::kill(process, SIGSTOP);
    call.wait();
    longest = std::max<nanoseconds>(longest, clock::now() - begin);
    board::add(slot.open);
    ::kill(process, SIGCONT);
    if (failure_of(call).code != errc::worker_lost) ++wrong;
    if (failure_of(behind).code != errc{}) ++wrong;
    if (!ends_within(process, 5s)) ++alive;
  }
  seen.at_most("fenced in", longest, 1250ms, machine.longest());
  seen.equals("wrong outcomes", wrong, 0);
  seen.equals("late results", slot.left.load(), 0);
  seen.equals("executions of what had waited behind", shared[1].entered.load(), times);
  seen.equals("stopped workers alive", alive, 0);
}

// Both of a machine's processes, as if it stood still.
struct machine_elsewhere {
  pid_t supervisor, worker;
  void send(int signal) const {
    ::kill(supervisor, signal);
    ::kill(worker, signal);
  }
};

void stop_remote(findings& seen) {
  e2e::folder const place;
  board const shared(place / "board");
  e2e::site site;
  site.start_worker();
  site.start_worker();
  yonder::runtime client(site.client());
  auto& slot = shared[0];
  auto held = task::hold.on(client).spawn(shared.path(), 0U, 1U);
  if (!board::reaches(slot.entered, 1, 30s)) return seen.holds("a call was not begun within 30 s", false);
  // Until the other one serves, too.
  task::enter.on(client).remote(shared.path(), 1U);

  machine_elsewhere const stopped{parent_of(slot.process.load()), slot.process.load()};
  stall_watch machine;
  auto const begin = clock::now();
  stopped.send(SIGSTOP);
  std::this_thread::sleep_until(begin + 1250ms + machine.longest());
  nanoseconds slowest{};
  std::uint64_t misled = 0;
  for (std::uint32_t i = 0; i < 20; ++i) {
    auto const called = clock::now();
    if (task::process.on(client).with({.deadline = 5s}).spawn().try_get().value_or(stopped.worker) ==
        stopped.worker)
      ++misled;
    slowest = std::max<nanoseconds>(slowest, clock::now() - called);
  }
  held.wait();
  auto const fenced = clock::now() - begin;
  auto const failure = failure_of(held);
  board::add(slot.open);
  stopped.send(SIGCONT);
  // Two at once take both.
  [[maybe_unused]] auto const both = {task::hold.on(client).spawn(shared.path(), 2U, 1U),
                                      task::hold.on(client).spawn(shared.path(), 3U, 1U)};
  bool const again = board::reaches(shared[2].entered, 1, 20s) && board::reaches(shared[3].entered, 1, 20s);
  board::add(shared[2].open);
  board::add(shared[3].open);
  seen.equals("of 20 calls after 1.25 s to the stopped one", misled, 0);
  seen.at_most("slowest of them", slowest, 1s, machine.longest());
  seen.at_most("fenced in", fenced, 10s + 1250ms, machine.longest());
  seen.holds("fenced sooner than in 10 s: " + words_of(fenced), fenced >= 9s);
  seen.holds("its call ended as " + std::string(to_string(failure.code)), failure.code == errc::worker_lost);
  seen.holds("it did not serve again within 20 s of SIGCONT", again);
  seen.equals("executions", slot.entered.load(), 1);
}

}  // namespace

std::vector<row> worker_rows() {
  return {
      {"kill", "kill -9 of a worker, again and again", "detected in 50 ms (p99); 0 hangs; 0 lost",
       kill_workers, 180s, 3600s, true},
      {"stop-local", "SIGSTOP of a local worker, later SIGCONT",
       "fenced within 1.25 s; its late result changes nothing", stop_local, 60s, 1800s, true},
      {"stop-remote", "SIGSTOP of a worker's machine, later SIGCONT",
       "no new work after 1.25 s; fenced after 10 s; its late result changes nothing", stop_remote, 90s},
  };
}

}  // namespace faults
