// SPDX-License-Identifier: Apache-2.0
//
// Networks between a hub and its workers.
#include <signal.h>

#include <numeric>
#include <optional>

#include "src/platform/process.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/site.hpp"
#include "tests/faults/machine.hpp"
#include "tests/faults/row.hpp"
#include "tests/faults/tasks.hpp"
#include "tests/support/slow_link.hpp"

namespace faults {
namespace {

using yonder::errc;

// A hub and its caller here, and a worker on another network.
struct distant_worker {
  distant_worker() : site(two_networks::own_address()), shared(place / "board"), client(site.client()) {
    auto const command = networks.there({own_path(), "--yonder-worker", site.address()});
    worker.emplace(yonder::platform::spawn({.path = command.front(),
                                            .arguments = command,
                                            .environment = {"YONDER_KEYS=" + site.keys()},
                                            .output = -1,
                                            .inherited = {}}));
    task::process.on(client).remote();
  }
  ~distant_worker() {
    worker->kill(SIGKILL);
    worker->wait();
  }

  two_networks networks;
  e2e::folder place;
  e2e::site site;
  board shared;
  yonder::runtime client;
  std::optional<yonder::platform::child_process> worker;
};

// While the worker runs a call the link is down for `time`, and calls are made meanwhile.
template <class Cut>
void interrupt_once(findings& seen, distant_worker& far, std::uint32_t slot, nanoseconds time, Cut cut,
                    nanoseconds& recovered, std::vector<std::string>& wrong) {
  bool const is_short = time < 10s;
  auto& own = far.shared[slot];
  auto held = task::hold.on(far.client).spawn(far.shared.path(), slot, 1U);
  if (!board::reaches(own.entered, 1, 30s)) return seen.holds("a call was not begun within 30 s", false);
  std::optional<yonder::call<std::uint32_t>> during;
  cut(true);
  auto const down = clock::now();
  std::this_thread::sleep_for(time / 2);
  during.emplace(task::enter.on(far.client).with({.idempotent = true}).spawn(far.shared.path(), slot + 1));
  std::this_thread::sleep_until(down + time);
  cut(false);
  auto const up = clock::now();
  board::add(own.open);
  bool const answered = has_ended(*during, 30s);
  recovered = std::max<nanoseconds>(recovered, clock::now() - up);
  if (!answered)
    wrong.emplace_back("a call made meanwhile had not ended");
  else if (auto const other = failure_of(*during); other.code != errc{})
    wrong.push_back("a call made meanwhile: " + other.message);
  else if (during->get() != 2 * (slot + 1))
    wrong.emplace_back("a call made meanwhile has another value");
  if (!has_ended(held, 30s))
    return seen.holds("the call that ran had not ended 30 s later, after " + words_of(time), false);
  auto const failure = failure_of(held);
  if (failure.code != errc{} && (is_short || failure.code != errc::worker_lost))
    wrong.push_back("the call that ran: " + failure.message);
  if (own.entered.load() != 1) wrong.emplace_back("the call ran again");
}

void tell_wrong(findings& seen, std::size_t interruptions, std::vector<std::string> const& wrong) {
  seen.equals("wrong outcomes or executions in " + std::to_string(interruptions) + " interruptions",
              wrong.size(), 0);
  for (auto const& one : wrong) seen.note(one);
}

template <class Cut>
void interrupt_for(findings& seen, distant_worker& far, std::vector<nanoseconds> const& times, Cut cut) {
  stall_watch machine;
  nanoseconds recovered{};
  std::vector<std::string> wrong;
  std::uint32_t slot = 0;
  for (auto const time : times) {
    interrupt_once(seen, far, slot, time, cut, recovered, wrong);
    slot += 2;
  }
  tell_wrong(seen, times.size(), wrong);
  seen.at_most("recovered in", recovered, 2s, machine.longest());
}

void link_down_shortly(findings& seen) {
  distant_worker far;
  interrupt_for(seen, far,
                seen.how_much().full ? std::vector<nanoseconds>{1s, 2s, 3s, 4s, 5s, 6s, 7s, 8s}
                                     : std::vector<nanoseconds>{1s, 4s, 8s},
                [&](bool cut) { far.networks.set_link(!cut); });
}
void link_down_long(findings& seen) {
  distant_worker far;
  interrupt_for(seen, far,
                seen.how_much().full ? std::vector<nanoseconds>{13s, 20s, 30s, 45s, 60s}
                                     : std::vector<nanoseconds>{15s},
                [&](bool cut) { far.networks.set_link(!cut); });
}

// The hub hears nothing of the worker, or the worker nothing of the hub.
void one_way(findings& seen, nanoseconds time) {
  distant_worker far;
  std::vector<std::string> wrong;
  nanoseconds recovered{};
  stall_watch machine;
  interrupt_once(
      seen, far, 0, time, [&](bool cut) { far.networks.drop_here(cut ? 100 : 0); }, recovered, wrong);
  interrupt_once(
      seen, far, 2, time, [&](bool cut) { far.networks.drop_there(cut ? 100 : 0); }, recovered, wrong);
  tell_wrong(seen, 2, wrong);
  seen.at_most("recovered in", recovered, 2s, machine.longest());
}
void one_way_shortly(findings& seen) { one_way(seen, 5s); }
void one_way_long(findings& seen) { one_way(seen, 15s); }

void lossy_link(findings& seen) {
  distant_worker far;
  far.networks.drop_here(5);
  far.networks.drop_there(5);
  std::uint64_t wrong = 0;
  sample_of_times times;
  std::vector<std::uint64_t> numbers(1000);
  std::iota(numbers.begin(), numbers.end(), 0U);
  std::uint32_t const calls = seen.how_much().of(300U, 10'000U);
  for (std::uint32_t i = 0; i < calls; ++i) {
    auto const begin = clock::now();
    auto call = task::sum_of.on(far.client).with({.deadline = 60s}).spawn(numbers);
    if (call.try_get().value_or(0) != 499'500) ++wrong;
    times.add(clock::now() - begin);
  }
  seen.equals("of " + std::to_string(calls) + " calls of 8 KB lost or wrong", wrong, 0);
  seen.note("p50 " + words_of(times.percentile(50)) + ", p99 " + words_of(times.percentile(99)));
}

// It takes longer than the silence of a dead worker.
void slow_link(findings& seen) {
  std::size_t const megabytes = seen.how_much().of(32, 1024);
  e2e::site site("", std::size_t{2} << 30);
  auto const port =
      static_cast<std::uint16_t>(std::stoul(site.address().substr(site.address().rfind(':') + 1)));
  yonder::testing::slow_link link(port, seen.how_much().of(std::size_t{3} << 20, std::size_t{40} << 20));
  auto const worker = yonder::platform::spawn({.path = own_path(),
                                               .arguments = {own_path(), "--yonder-worker", link.address()},
                                               .environment = {"YONDER_KEYS=" + site.keys()},
                                               .output = -1,
                                               .inherited = {}});
  auto options = site.client();
  options.max_call_bytes = std::size_t{2} << 30;
  yonder::runtime client(options);
  auto const process = task::process.on(client).remote();
  std::vector<std::uint64_t> const numbers(megabytes << 17, 3);
  auto const begin = clock::now();
  auto call = task::sum_of.on(client).spawn(numbers);
  call.wait();
  auto const took = clock::now() - begin;
  auto const failure = failure_of(call);
  seen.holds("the call ended as " + failure.message, failure.code == errc{});
  seen.holds("the sum is another one", failure.code != errc{} || call.get() == 3 * (megabytes << 17));
  seen.holds("it took no longer than 10 s: " + words_of(took), took > 10s);
  seen.note(std::to_string(megabytes) + " MiB in " + words_of(took));
  seen.equals("false deaths", task::process.on(client).remote() == process ? 0 : 1, 0);
  worker.kill(SIGKILL);
  worker.wait();
}

}  // namespace

std::vector<row> link_rows() {
  return {
      {"link-short", "the link to a worker is down for 1, 4 and 8 s",
       "0 false deaths, every outcome right; recovery within 2 s", link_down_shortly, 120s, 300s, true},
      {"link-long", "the link to a worker is down for longer than 10 s",
       "typed outcomes; recovery within 2 s", link_down_long, 120s, 600s},
      {"one-way-short", "one direction of the link is dead for 5 s",
       "0 false deaths, every outcome right; recovery within 2 s", one_way_shortly, 120s},
      {"one-way-long", "one direction of the link is dead for 15 s", "typed outcomes; recovery within 2 s",
       one_way_long, 200s},
      {"loss", "5 % of all packets are lost", "0 false deaths, every outcome right", lossy_link, 180s, 1800s},
      {"slow-link", "a large argument over a slow link, for longer than 10 s",
       "the transfer completes; 0 false deaths", slow_link, 120s, 300s},
  };
}

}  // namespace faults
