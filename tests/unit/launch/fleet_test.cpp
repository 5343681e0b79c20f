// SPDX-License-Identifier: Apache-2.0
#include "src/launch/fleet.hpp"

#include <doctest/doctest.h>

#include <stdlib.h>

#include <filesystem>
#include <fstream>
#include <set>

#include "src/launch/ssh_launcher.hpp"
#include "src/platform/process.hpp"

namespace fleets {
namespace {

using namespace yonder;
using fleet_events = std::vector<runtime_detail::pool_event>;
using told = runtime_detail::pool_event::kind;
using launch::launch_event;

// It does nothing but take notes: a test says what happens.
struct scripted_launcher final : launch::launcher {
  struct notes {
    std::vector<launch_event> next;
    int left = 0, leaves_after = 1;  // leave_until() is called so often
    std::vector<std::uint64_t> started, stopped, served;
    std::vector<std::string> words{};  // of the worker that was started last
  };
  notes& kept;
  explicit scripted_launcher(notes& into) : kept(into) {}
  void start(launch::start_request const& wanted) override {
    kept.started.push_back(wanted.start);
    kept.words = wanted.worker;
  }
  void stop(std::uint64_t start) override { kept.stopped.push_back(start); }
  void served(std::uint64_t start) override { kept.served.push_back(start); }
  void take(std::vector<launch_event>& happened) override {
    happened.insert(happened.end(), kept.next.begin(), kept.next.end());
    kept.next.clear();
  }
  std::string describe(launch::start_request const&) const override { return {}; }
  launch::time_point next_deadline() const override { return launch::never; }
  void tick(launch::time_point) override {}
  bool leave_until(launch::time_point, launch::teller const&) override {
    if (++kept.left < kept.leaves_after) return false;
    kept.next.push_back({launch_event::kind::stop_failed, 1, "no"});
    kept.next.push_back({launch_event::kind::notice, 0, "a scheduler sleeps"});
    return true;
  }
};

// Keys are numbers here, and nothing else comes in.
struct lock_of_numbers final : transport::listener {
  std::set<std::string> good;
  std::vector<std::string> addresses() const override { return {}; }
  transport::peer_rights rights_of(std::string_view) override { return {}; }
  transport::worker_key issue_worker_key(std::uint64_t start) override {
    auto const key = std::to_string(start);
    good.insert(key);
    return {.server_public = "hub", .secret = key, .own_public = key};
  }
  void withdraw_worker_key(std::string const& key) override { good.erase(key); }
  void on_ready(std::uint64_t, bool, bool) override {}
  void receive(std::vector<transport::event>&, std::size_t) override {}
  bool poll_once() override { return false; }
  bool arm(transport::doorbell&) override { return true; }
  transport::send_status send(transport::peer_id, transport::frame const&) override {
    return transport::send_status::gone;
  }
  void flush() override {}
  void detach() override {}
  void close(transport::peer_id) override {}
  bool reliable() const override { return true; }
};

struct small_fleet {
  scripted_launcher::notes notes;
  lock_of_numbers keys;
  launch::fleet all;

  explicit small_fleet(std::size_t most) : all({"tcp://hub:1", "yonder-x"}, pools(most), keys) {}
  std::vector<launch::fleet_pool> pools(std::size_t most) {
    std::vector<launch::fleet_pool> made;
    auto& one = made.emplace_back();
    one.name = "default";
    one.by = std::make_unique<scripted_launcher>(notes);
    one.worker = {"/srv/{build}/app", "--of={build}-{build}", "{builds}{"};
    one.limits.max_instances = most;
    return made;
  }
  void start(std::uint64_t number) { all.start({.start = number, .pool = 1, .elsewhere = true}); }
  fleet_events happened() {
    fleet_events events;
    all.take(events);
    return events;
  }
};

using numbers = std::vector<std::uint64_t>;

TEST_CASE("a start past the largest number waits, has no key so far, and begins when another one has ended") {
  small_fleet f(1);
  f.start(1);
  f.start(2);
  f.start(3);
  CHECK(f.notes.started == numbers{1});
  CHECK(f.keys.good == std::set<std::string>{"1"});
  auto events = f.happened();
  REQUIRE(events.size() == 2);
  for (std::uint64_t const i : {0, 1}) {
    CHECK(events[i].what == told::held);
    CHECK(events[i].start == i + 2);
    CHECK(events[i].text == "there is 1, and its pool may have 1 (max, or what its launcher can start)");
  }
  f.notes.next = {{launch_event::kind::placed, 1, {}}};
  f.all.came(1);
  CHECK(f.notes.served == numbers{1});
  f.notes.next.push_back({launch_event::kind::ended, 1, "its time was over"});
  events = f.happened();
  CHECK(f.notes.started == numbers{1, 2});
  CHECK(f.keys.good == std::set<std::string>{"2"});
  REQUIRE(events.size() == 2);
  CHECK(events[0].what == told::placed);
  CHECK(events[1].what == told::held);  // the third goes on waiting
  CHECK(events[1].start == 3);
}

TEST_CASE("the words of a worker name the build that is asked for, and any where none is") {
  small_fleet f(0);
  f.all.start({.start = 1, .pool = 1, .elsewhere = true, .build = 0xabc});
  using words = std::vector<std::string>;
  CHECK(f.notes.words == words{"/srv/0000000000000abc/app", "--of=0000000000000abc-0000000000000abc",
                               "{builds}{", "--yonder-worker", "-"});
  f.start(2);
  CHECK(f.notes.words == words{"/srv/any/app", "--of=any-any", "{builds}{", "--yonder-worker", "-"});
}

TEST_CASE("a start that waits and is not wanted any more leaves nothing, and lets others in") {
  small_fleet f(1);
  for (std::uint64_t const i : {1, 2, 3}) f.start(i);
  f.all.abandon(2);
  f.happened();
  f.notes.next = {{launch_event::kind::failed, 1, "no such host"}};
  auto const events = f.happened();
  REQUIRE(events.size() == 2);
  CHECK(events[0].what == told::start_failed);
  CHECK(f.keys.good == std::set<std::string>{"3"});
  CHECK(f.notes.started == numbers{1});  // the third after a pause
  CHECK(events[1].what == told::waits);
  CHECK(events[1].start == 3);
  CHECK(events[1].text == "it is started after a pause of 1 s, as starts before it have failed");
  f.all.tick(f.all.next_deadline());
  CHECK(f.notes.started == numbers{1, 3});
  auto const begun = f.happened();
  REQUIRE(begun.size() == 1);
  CHECK(begun[0].what == told::waits);
  CHECK(begun[0].text.empty());
}

TEST_CASE("a launcher's own want of room is passed on, and to give up what waits for it is no failure") {
  small_fleet f(0);
  f.start(1);
  f.notes.next = {{launch_event::kind::held, 1, "all slots are taken"}};
  auto const events = f.happened();
  REQUIRE(events.size() == 1);
  CHECK(events[0].what == told::held);
  CHECK(events[0].text == "all slots are taken");
  f.all.abandon(1);
  CHECK(f.notes.stopped == numbers{1});
  f.notes.next = {{launch_event::kind::failed, 1, "it is not wanted any more"}};
  f.happened();
  f.start(2);
  CHECK(f.notes.started == numbers{1, 2});  // without a pause
}

TEST_CASE("of a worker that was started and has not come it is said where it was to come to") {
  small_fleet f(0);
  f.start(1);
  f.notes.next = {{launch_event::kind::placed, 1, "$ start"}};
  f.happened();
  f.all.abandon(1);
  f.notes.next = {{launch_event::kind::ended, 1, "it was stopped"}};
  auto const events = f.happened();
  REQUIRE(events.size() == 1);
  CHECK(events[0].text.ends_with(
      "ended:\nit was stopped\nIt was started by\n$ start\nIt was to come to tcp://hub:1: "
      "can that be reached from there (`address`)?"));
}

TEST_CASE("what could not be ended is told when the hub ends") {
  small_fleet f(1);
  f.start(1);
  std::vector<std::string> said;
  f.all.stop([&](std::string const& line) { said.push_back(line); });
  REQUIRE(said.size() == 2);
  CHECK(said[0] == "a scheduler sleeps");
  CHECK(said[1] == "yonder-x-1 of the pool 'default' could not be stopped, and may go on costing:\nno");
}

TEST_CASE("pools are left at the same time: none waits until another one's commands have ended") {
  scripted_launcher::notes slow, quick;
  slow.leaves_after = 40;
  lock_of_numbers keys;
  std::vector<launch::fleet_pool> pools;
  for (auto* const one : {&slow, &quick}) {
    auto& made = pools.emplace_back();
    made.name = one == &slow ? "slow" : "quick";
    made.by = std::make_unique<scripted_launcher>(*one);
  }
  launch::fleet all({"tcp://hub:1", "yonder-x"}, std::move(pools), keys);
  std::vector<std::string> said;
  all.stop([&](std::string const& line) { said.push_back(line); });
  REQUIRE(said.size() == 4);
  CHECK(said[1].find("'quick'") != std::string::npos);
  CHECK(said[3].find("'slow'") != std::string::npos);
}

// An ssh of one's own, which is a command like others: what it does is in a file.
struct stand_in_ssh {
  std::filesystem::path folder;
  std::string path = ::getenv("PATH");
  std::unique_ptr<platform::poller> poller = platform::make_poller();

  explicit stand_in_ssh(std::string const& does) {
    auto name = (std::filesystem::temp_directory_path() / "yonder-ssh-XXXXXX").string();
    REQUIRE(::mkdtemp(name.data()) != nullptr);
    folder = name;
    std::ofstream(folder / "ssh") << "#!/bin/sh\n" << does << "\n";
    std::filesystem::permissions(folder / "ssh", std::filesystem::perms::owner_all);
    ::setenv("PATH", (folder.string() + ":" + path).c_str(), 1);
  }
  ~stand_in_ssh() {
    ::setenv("PATH", path.c_str(), 1);
    std::filesystem::remove_all(folder);
  }
  std::vector<launch_event> next(launch::ssh_launcher& by) {
    std::vector<launch_event> happened;
    by.take(happened);
    while (happened.empty()) {
      auto const due = by.next_deadline();
      poller->wait(due == launch::never ? -1 : std::max<std::int64_t>(0, due - platform::now()));
      by.tick(platform::now());
      by.take(happened);
    }
    return happened;
  }
};

launch::start_request worker_on_host(std::uint64_t start, std::int64_t silence = 0) {
  return {.start = start,
          .worker = {"app"},
          .order = {.hub = "tcp://hub:1", .silence = silence},
          .needs = {.gpus = 1}};
}

TEST_CASE("a worker waits for a host's GPU that another one has, and has it when that has ended") {
  stand_in_ssh const ssh("cat >/dev/null");
  launch::ssh_launcher by({.hosts = {{.name = "one", .slots = 2, .gpus = {"0"}}}}, *ssh.poller);
  auto const next = [&] { return const_cast<stand_in_ssh&>(ssh).next(by); };
  by.start(worker_on_host(1));
  CHECK(next().at(0).what == launch_event::kind::placed);
  by.start(worker_on_host(2));
  auto const held = next();
  REQUIRE(held.size() == 1);
  CHECK(held[0].what == launch_event::kind::held);
  CHECK(held[0].text == "no host has room for it; one: its GPUs are others'");
  by.stop(1);
  auto ended = next();
  if (ended.size() == 1) ended.push_back(next().at(0));
  CHECK(ended[0].what == launch_event::kind::ended);
  CHECK(ended[1].what == launch_event::kind::placed);
  CHECK(ended[1].start == 2);
  by.leave([](std::string const&) {});
}

TEST_CASE("the GPU of a worker whose ssh was cut off is nobody's for as long as it may live") {
  stand_in_ssh ssh("cat >/dev/null & echo 'Timeout, server one not responding.' >&2; exit 255");
  launch::ssh_launcher by({.hosts = {{.name = "one", .slots = 2, .gpus = {"0"}}}}, *ssh.poller);
  by.start(worker_on_host(1, 3'600 * launch::second));
  auto events = ssh.next(by);
  while (events.size() < 2) events.push_back(ssh.next(by).at(0));
  CHECK(events[1].what == launch_event::kind::ended);
  by.start(worker_on_host(2));
  events = ssh.next(by);
  CHECK(events.at(0).what == launch_event::kind::held);
  by.stop(2);
  CHECK(ssh.next(by).at(0).what == launch_event::kind::failed);
}

TEST_CASE("a host that lets nobody in keeps nothing, and is not waited for") {
  stand_in_ssh ssh("cat >/dev/null & echo 'Host key verification failed.' >&2; exit 255");
  launch::ssh_launcher by({.hosts = {{.name = "one"}}}, *ssh.poller);
  by.start({.start = 1, .worker = {"app"}, .order = {.hub = "tcp://hub:1", .silence = launch::second}});
  auto events = ssh.next(by);
  while (events.size() < 2) events.push_back(ssh.next(by).at(0));
  by.start({.start = 2, .worker = {"app"}});
  events = ssh.next(by);
  CHECK(events.at(0).what == launch_event::kind::failed);
  CHECK(events.at(0).text.starts_with("no host can take it; one: failed\n"));
  CHECK(events.at(0).text.find("Host key verification failed.") != std::string::npos);
}

}  // namespace
}  // namespace fleets
