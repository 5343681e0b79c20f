// SPDX-License-Identifier: Apache-2.0
//
// Hubs with a journal that are killed, disks that fail them, and strangers that talk to them.
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <random>
#include <span>
#include <thread>

#include "src/core/call_orders.hpp"
#include "src/journal/tools.hpp"
#include "src/platform/unique_fd.hpp"
#include "src/runtime/orders.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "tests/faults/journaled_hub.hpp"
#include "tests/faults/machine.hpp"
#include "tests/faults/row.hpp"
#include "tests/faults/tasks.hpp"

namespace faults {
namespace {

using yonder::errc;

// --- the hub is killed

using call_of_slot = yonder::call<std::uint32_t>;

// Some that may run again, some that may start once.
std::vector<call_of_slot> spawn_some(yonder::runtime& client, board const& shared, std::uint32_t first,
                                     std::uint32_t count) {
  std::vector<call_of_slot> made;
  for (auto slot = first; slot < first + count; ++slot)
    made.push_back(task::enter.on(client).with(slot % 2 == 0 ? repeatable : once).spawn(shared.path(), slot));
  return made;
}

void judge(std::vector<call_of_slot>& calls, board const& shared, std::uint32_t first, outcomes& all) {
  for (auto& call : calls) {
    auto const slot = first++;
    auto const failure = failure_of(call);
    bool const is_once = slot % 2 != 0;
    if (failure.code == errc::worker_lost && is_once)
      ++all.unknown;
    else if (failure.code != errc{})
      all.wrong(failure.message);
    else if (shared[slot].entered.load() == 0)
      all.wrong("a value of a call that never ran");
    if (is_once && shared[slot].entered.load() > 1) ++all.executions;
  }
}

// The hub ends at an operation on its disk, and another one goes on; with calls on their way.
void end_at_operations(findings& seen, std::string const& kind, int rounds) {
  constexpr std::uint32_t each = 16;
  journaled_site site;
  board const shared(site.file("board"));
  journaled_hub(site).kill();
  site.start_worker();
  std::mt19937 random(std::random_device{}());
  nanoseconds longest{};
  stall_watch machine;
  outcomes all;
  std::uint64_t refused = 0;
  for (int round = 0; round < rounds && refused == 0; ++round) {
    auto const first = static_cast<std::uint32_t>(round) % (board::slots / each) * each;
    for (std::uint32_t i = 0; i < each; ++i) shared[first + i].entered.store(0);
    journaled_hub ends(site, kind + " " + std::to_string(random() % 80));
    std::optional<journaled_hub> next;
    std::thread keeper([&] {
      ends.wait();
      next.emplace(site);
    });
    try {
      yonder::runtime client(site.client());
      auto calls = spawn_some(client, shared, first, each);
      judge(calls, shared, first, all);
    } catch (yonder::error const& refused_call) {
      all.wrong(refused_call.what());
    }
    ends.send_kill();
    keeper.join();
    if (!next->serves() && ++refused == 1) seen.note(next->said());
    longest = std::max(longest, next->took());
  }
  seen.equals("hubs of " + std::to_string(rounds) + " that did not start again", refused, 0);
  seen.at_most("serving again in", longest, 1s, machine.longest());
  all.tell(seen);
  seen.note(std::to_string(all.unknown) + " of those that may start once are unknown");
}

void kill_at_operations(findings& seen) { end_at_operations(seen, "kill", seen.how_much().of(25, 2'000)); }
void lose_power(findings& seen) { end_at_operations(seen, "power", seen.how_much().of(25, 2'000)); }

// By several threads, whose calls reach the disk together.
std::vector<call_of_slot> spawn_many(yonder::runtime& client, board const& shared, std::size_t count) {
  constexpr std::size_t callers = 16;
  std::vector<std::vector<call_of_slot>> made(callers);
  std::vector<std::thread> threads;
  for (std::size_t each = 0; each < callers; ++each)
    threads.emplace_back([&, each] {
      for (auto i = each; i < count; i += callers)
        made[each].push_back(task::enter.on(client)
                                 .with(repeatable)
                                 .spawn(shared.path(), static_cast<std::uint32_t>(i % board::slots)));
    });
  for (auto& one : threads) one.join();
  std::vector<call_of_slot> all;
  for (std::size_t i = 0; i < count; ++i) all.push_back(std::move(made[i % callers][i / callers]));
  return all;
}

void kill_again_and_again(findings& seen) {
  std::size_t const count = seen.how_much().of(5'000, 1'000'000);
  int const kills = seen.how_much().of(10, 200);
  journaled_site site;
  board const shared(site.file("board"));
  std::optional<journaled_hub> hub(std::in_place, site);
  auto options = site.client();
  options.max_calls = 2 * count;
  yonder::runtime client(options);
  auto calls = spawn_many(client, shared, count);
  auto const memory = resident_bytes(hub->process());
  std::mt19937 random(std::random_device{}());
  nanoseconds longest{};
  std::uint64_t refused = 0;
  stall_watch machine;
  for (int i = 0; i < kills; ++i) {
    if (i == kills / 4) site.start_worker();
    hub.reset();
    hub.emplace(site);
    if (!hub->serves() && ++refused == 1) seen.note(hub->said());
    longest = std::max(longest, hub->took());
    std::this_thread::sleep_for(std::chrono::milliseconds(random() % 300));
  }
  outcomes all;
  for (std::size_t i = 0; i < count; ++i) {
    if (auto const failure = failure_of(calls[i]); failure.code != errc{}) all.wrong(failure.message);
    if (shared[i % board::slots].entered.load() == 0) all.wrong("an outcome of a call that never ran");
  }
  seen.equals("hubs that did not start again", refused, 0);
  seen.at_most("serving again, of " + std::to_string(count) + " queued, in", longest, 1s, machine.longest());
  seen.note(std::to_string(memory >> 20) + " MiB of the hub with all of them");
  all.tell(seen);
}

// --- the disk fails

// Spawns until the hub says no, and in words; then it has room again, and a worker.
void fail_disk(findings& seen, std::string const& fault, outcomes& all, std::uint64_t& silent) {
  journaled_site site;
  board const shared(site.file("board"));
  std::vector<yonder::call_id> taken;
  std::string words;
  {
    journaled_hub const hub(site, fault);
    if (!hub.serves())
      return seen.holds("with " + fault + " it did not start: " + hub.said(),
                        hub.said().find("journal") != std::string::npos);
    yonder::runtime client(site.client());
    while (words.empty() && taken.size() < 1'000) {
      try {
        auto const slot = static_cast<std::uint32_t>(taken.size());
        taken.push_back(task::enter.on(client).with(repeatable).spawn(shared.path(), slot).id());
      } catch (yonder::error const& failure) {
        words = failure.what();
      }
    }
    if (words.find("journal") == std::string::npos) ++silent;
  }
  journaled_hub const next(site);
  if (!next.serves()) return all.wrong(next.said());
  site.start_worker();
  yonder::runtime client(site.client());
  for (std::uint32_t slot = 0; slot < taken.size(); ++slot) {
    auto call = yonder::find<std::uint32_t>(taken[slot], client);
    if (auto const failure = failure_of(call); failure.code != errc{})
      all.wrong(fault + ": " + failure.message);
  }
}

void refuse_disk(findings& seen) {
  outcomes all;
  std::uint64_t silent = 0;
  int const each = seen.how_much().of(3, 40);
  for (int i = 0; i < each; ++i)
    for (auto const* const kind : {"enospc ", "eio ", "erofs "})
      fail_disk(seen, kind + std::to_string(30 + 7 * i), all, silent);
  seen.equals("hubs that refused without words", silent, 0);
  all.tell(seen);
}

// --- bits flip

std::string content_of(std::filesystem::path const& file) {
  std::ifstream from(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(from), {}};
}

// What counts of a journal, in words; or why it is refused.
std::string state_of(std::string const& folder, bool& refused) {
  std::string text;
  auto const why = yonder::journal::export_records(folder, [&](auto const& what, auto body) {
    text += std::to_string(what.call.number) + " " + std::string(to_string(what.what)) + " ";
    text.append(reinterpret_cast<char const*>(body.data()), body.size());
  });
  refused = why.has_value();
  return refused ? why->what() : text;
}

void flip_bits(findings& seen) {
  journaled_site site;
  board const shared(site.file("board"));
  {
    journaled_hub const hub(site);
    site.start_worker();
    yonder::runtime client(site.client());
    auto calls = spawn_some(client, shared, 0, 16);
    for (auto& call : calls) call.wait();
  }
  bool refused = false;
  auto const right = state_of(site.journal(), refused);
  seen.holds("the journal is refused before any bit is flipped", !refused);
  std::uint64_t flipped = 0, detected = 0, wrong = 0;
  std::mt19937 random(1);
  for (auto const& entry : std::filesystem::directory_iterator(site.journal())) {
    if (entry.path().filename() == "lock") continue;
    auto bytes = content_of(entry.path());
    std::size_t const step = seen.how_much().of(std::size_t{23}, std::size_t{1});
    for (std::size_t at = random() % step; at < bytes.size(); at += step) {
      auto const bit = static_cast<char>(1 << random() % 8);
      bytes[at] = static_cast<char>(bytes[at] ^ bit);
      std::ofstream(entry.path(), std::ios::binary) << bytes;
      bytes[at] = static_cast<char>(bytes[at] ^ bit);
      ++flipped;
      try {
        bool said = false;
        auto const found = state_of(site.journal(), said);
        if (said)
          ++detected;
        else if (found != right)
          ++wrong;
      } catch (yonder::journal::error const&) {
        ++detected;
      }
    }
    std::ofstream(entry.path(), std::ios::binary) << bytes;
  }
  seen.note(std::to_string(detected) + " of " + std::to_string(flipped) + " refused in words");
  seen.equals("silently wrong", wrong, 0);
}

// --- many workers

std::size_t workers_at(yonder::runtime const& watch) {
  auto const answer = yonder::detail::ask_hub(*watch.engine(), yonder::core::list_workers, {});
  yonder::core::text_rows rows;
  yonder::core::decode_rows(std::as_bytes(std::span(answer)), rows);
  return rows.size();
}

void lose_hub_of_many(findings& seen) {
  std::size_t const count = seen.how_much().of(16, 500);
  journaled_site site;
  board const shared(site.file("board"));
  std::optional<journaled_hub> hub(std::in_place, site);
  for (std::size_t i = 0; i < count; ++i) site.start_worker();
  yonder::runtime watch(site.client());
  for (auto const begun = clock::now(); workers_at(watch) < count && clock::now() - begun < 120s;)
    std::this_thread::sleep_for(10ms);
  seen.equals("workers that did not come", count - workers_at(watch), 0);
  auto const used = processor_time(hub->process());
  constexpr auto idle = 5s;
  std::this_thread::sleep_for(idle);
  auto const spent = processor_time(hub->process()) - used;
  auto const memory = resident_bytes(hub->process());
  auto calls = spawn_some(watch, shared, 0, 64);
  stall_watch machine;
  hub.reset();
  hub.emplace(site);
  auto const back = clock::now();
  while (workers_at(watch) < count && clock::now() - back < 60s) std::this_thread::sleep_for(1ms);
  auto const took = clock::now() - back;
  outcomes all;
  judge(calls, shared, 0, all);
  seen.at_most("all " + std::to_string(count) + " workers back in", took, 5s, machine.longest());
  seen.at_most("memory of the idle hub", static_cast<double>(memory) / (1 << 20), 50, " MiB");
  seen.at_most("its processor time", 100 * std::chrono::duration<double>(spent) / idle, 1, " %");
  all.tell(seen);
}

// --- the hub is replaced

// Calls that may start once only, one after the other, and what became of them.
void call_again_and_again(yonder::runtime& client, board const& shared, std::atomic<std::uint32_t>& next,
                          std::atomic<bool> const& stop, outcomes& all, nanoseconds& slowest) {
  while (!stop) {
    auto const slot = next++;
    if (slot >= board::slots) return;
    auto const begun = clock::now();
    auto const value = task::enter.on(client).try_remote(shared.path(), slot);
    slowest = std::max<nanoseconds>(slowest, clock::now() - begun);
    if (!value)
      all.wrong(value.error().what());
    else if (*value != 2 * slot)
      all.wrong("a wrong value");
    if (shared[slot].entered.load() > 1) ++all.executions;
  }
}

void replace_hub(findings& seen) {
  constexpr std::size_t callers = 3;
  int const times = seen.how_much().of(10, 60);
  journaled_site site;
  board const shared(site.file("board"));
  std::optional<journaled_hub> hub(std::in_place, site);
  for (int i = 0; i < 3; ++i) site.start_worker();
  yonder::runtime client(site.client());
  task::enter.on(client).remote(shared.path(), 0U);
  std::atomic<std::uint32_t> next{1};
  std::atomic<bool> stop{false};
  std::array<outcomes, callers> each;
  std::array<nanoseconds, callers> slowest{};
  stall_watch machine;
  std::vector<std::thread> threads;
  for (std::size_t i = 0; i < callers; ++i)
    threads.emplace_back([&, i] { call_again_and_again(client, shared, next, stop, each[i], slowest[i]); });
  std::uint64_t disorderly = 0;
  for (int i = 0; i < times; ++i) {
    for (auto const until = next + 200; next < until && next < board::slots;)
      std::this_thread::sleep_for(1ms);
    if (!hub->end()) ++disorderly;
    hub.emplace(site);
  }
  stop = true;
  for (auto& one : threads) one.join();
  outcomes all;
  for (auto const& one : each) {
    all.lost += one.lost;
    all.executions += one.executions;
    if (all.first.empty()) all.first = one.first;
  }
  seen.note(std::to_string(times) + " hubs, " + std::to_string(next.load()) + " calls");
  seen.equals("hubs that ended otherwise", disorderly, 0);
  seen.equals("calls lost or wrong", all.lost, 0);
  seen.equals("executions too many", all.executions, 0);
  if (!all.first.empty()) seen.note("first: " + all.first);
  seen.at_most("the slowest call", *std::max_element(slowest.begin(), slowest.end()), 2s, machine.longest());
}

// --- strangers

// What somebody sends who speaks no ZeroMQ, or begins to.
std::string garbage(std::mt19937& random) {
  static constexpr char greeting[] = "\xff\0\0\0\0\0\0\0\1\x7f\3\0CURVE\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
  std::string bytes(64, '\0');
  std::copy(std::begin(greeting), std::end(greeting) - 1, bytes.begin());
  if (random() % 4 == 0) bytes.clear();
  if (random() % 2 == 0)
    bytes += std::string("\x06\xff\xff\xff\xff\xff\xff\xff\xff", 9);  // a command of 2⁶⁴ bytes
  auto const more = random() % 4096;
  for (std::size_t i = 0; i < more; ++i) bytes += static_cast<char>(random());
  if (random() % 4 == 0 && !bytes.empty()) bytes[random() % bytes.size()] = static_cast<char>(random());
  return bytes;
}

// False: the hub took no connection.
bool send_garbage(std::uint16_t port, std::string const& bytes) {
  yonder::platform::unique_fd const to(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(to.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address) != 0) return false;
  (void)!::send(to.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
  return true;
}

void hear_garbage(findings& seen) {
  journaled_site site;
  board const shared(site.file("board"));
  journaled_hub const hub(site);
  site.start_worker();
  yonder::runtime client(site.client());
  task::enter.on(client).remote(shared.path(), 0U);
  auto const port =
      static_cast<std::uint16_t>(std::stoul(site.address().substr(site.address().rfind(':') + 1)));
  auto const before = resident_bytes(hub.process());
  std::mt19937 random(std::random_device{}());
  int const connections = seen.how_much().of(2'000, 200'000);
  std::uint64_t refused = 0, wrong = 0;
  nanoseconds slowest{};
  stall_watch machine;
  for (int i = 0; i < connections; ++i) {
    if (!send_garbage(port, garbage(random))) ++refused;
    if (i % 100 != 0) continue;
    auto const begin = clock::now();
    if (task::enter.on(client).with({.deadline = 20s}).spawn(shared.path(), 1U).try_get().value_or(0) != 2)
      ++wrong;
    slowest = std::max<nanoseconds>(slowest, clock::now() - begin);
  }
  auto const grown = static_cast<double>(resident_bytes(hub.process())) - static_cast<double>(before);
  seen.equals("of " + std::to_string(connections) + " connections refused by the system", refused, 0);
  seen.at_most("slowest of the calls meanwhile", slowest, 1s, machine.longest());
  seen.equals("calls meanwhile wrong", wrong, 0);
  seen.at_most("the hub has grown by", grown / (1 << 20), 32, " MiB");
  seen.equals("executions too many",
              shared[1].entered.load() - static_cast<std::uint32_t>((connections + 99) / 100), 0);
}

constexpr std::string_view kept = "serving again within 1 s; 0 acknowledged lost, 0 executions twice";

}  // namespace

std::vector<row> hub_rows() {
  return {
      {"hub-kill", "kill -9 of the hub, again and again, with 5,000 calls queued (10⁶ with --full)", kept,
       kill_again_and_again, 240s, 3600s},
      {"write-points", "kill -9 of the hub at an operation on its journal", kept, kill_at_operations, 120s,
       3600s},
      {"power-loss", "what was not synced is there in part, and the hub ends", kept, lose_power, 120s, 3600s},
      {"disk-refuses", "no room, EIO of fdatasync, a read-only disk, while calls are taken",
       "refused in words; what was acknowledged goes on when it can be written again", refuse_disk, 120s,
       1800s},
      {"bits", "a flipped bit at each 23rd byte of a journal (at every one with --full)",
       "recovered, or refused in words; never silently wrong", flip_bits, 60s, 1800s},
      {"many-workers", "kill -9 of the hub of 16 workers over CURVE (500 with --full)",
       "all back within 5 s, 0 lost; the idle hub within 50 MiB, and without processor time",
       lose_hub_of_many, 120s, 600s},
      {"hub-upgrade",
       "SIGTERM of the hub and another one in its place, 10 times (60 with --full), under calls",
       "0 calls lost, 0 executions twice, though none may be tried again; the slowest within 2 s",
       replace_hub, 120s, 600s},
      {"garbage", "thousands of connections that speak no CURVE, or claim 2⁶⁴ bytes",
       "memory bounded, 0 crashes, 0 extra executions; calls go on", hear_garbage, 120s, 3600s},
  };
}

}  // namespace faults
