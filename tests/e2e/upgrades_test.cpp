// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <fstream>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "src/platform/process.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/noted.hpp"
#include "tests/e2e/program.hpp"
#include "tests/e2e/tasks.hpp"
#include "transports/zmq/keys.hpp"

using namespace std::chrono_literals;

// Hubs that are told to end, one after the other, while clients call.
namespace e2e {
namespace {

#ifdef YONDER_COMMAND
class upgraded_hub {
 public:
  explicit upgraded_hub(std::vector<std::string> more = {}) : more_(std::move(more)) {
    yonder::transport::keygen(keys());
    start();
  }
  ~upgraded_hub() {
    for (auto& worker : workers_) {
      worker.kill(SIGKILL);
      worker.wait();
    }
    hub_->kill();
    hub_->wait();
  }
  upgraded_hub(upgraded_hub const&) = delete;
  upgraded_hub& operator=(upgraded_hub const&) = delete;

  std::string keys() const { return folder_ / "keys"; }
  std::string file() const { return folder_ / "notes"; }
  std::string address() const { return "ipc://" + (folder_ / "hub"); }
  yonder::runtime_options client() const {
    return {.hub = address(), .keys = keys(), .connect_timeout = 20s, .is_current = false};
  }
  void start_worker() {
    workers_.push_back(yonder::platform::spawn({.path = YONDER_REMOTE_WORKER,
                                                .arguments = {"remote_worker", "--yonder-worker", address()},
                                                .environment = {"YONDER_KEYS=" + keys()},
                                                .output = -1,
                                                .inherited = {}}));
  }

  void start() {
    std::vector<std::string> words{"hub", "--bind", address(), "--keys", keys()};
    words.insert(words.end(), more_.begin(), more_.end());
    hub_.emplace(YONDER_COMMAND, std::vector<std::string>{}, words);
    REQUIRE(hub_->read_line() == address());
  }
  program& hub() { return *hub_; }
  void upgrade() {
    hub_->end();
    REQUIRE(hub_->wait().status == 0);
    start();
  }

 private:
  folder folder_;
  std::vector<std::string> more_;
  std::optional<program> hub_;
  std::vector<yonder::platform::child_process> workers_;
};

// How many calls have ended, for whoever waits for some.
class ended_calls {
 public:
  void add(std::uint32_t count) {
    std::lock_guard const held(mutex_);
    ended_ += count;
    more_.notify_all();
  }
  void wait_for_more(std::uint32_t count) {
    std::unique_lock held(mutex_);
    auto const wanted = ended_ + count;
    more_.wait(held, [&] { return ended_ >= wanted; });
  }

 private:
  std::mutex mutex_;
  std::condition_variable more_;
  std::uint32_t ended_ = 0;
};

yonder::generator<int> without_end() {
  for (int n = 1;; ++n) co_yield n;
}

// The numbers in the file, sorted.
std::vector<std::uint32_t> noted_in(std::string const& file) {
  std::ifstream from(file);
  std::vector<std::uint32_t> found;
  for (std::uint32_t number = 0; from >> number;) found.push_back(number);
  std::sort(found.begin(), found.end());
  return found;
}
#endif

}  // namespace

#ifdef YONDER_COMMAND
TEST_CASE("hubs that are told to end lose no call and run none twice, though none may be tried again") {
  constexpr int upgrades = 6;
  upgraded_hub site;
  for (int i = 0; i < 3; ++i) site.start_worker();
  yonder::runtime client(site.client());
  REQUIRE(task::note.on(client).remote(site.file(), 0) == 0);
  site.upgrade();  // the first hub could call it a deadlock that one worker, the only one yet, waits for a
                   // call of its own
  ended_calls ended;
  std::atomic<bool> stop{false};
  std::atomic<std::uint32_t> next{1};
  std::mutex failures_mutex;
  std::vector<std::string> failures;
  auto const failed = [&](std::string const& what) {
    std::lock_guard const held(failures_mutex);
    failures.push_back(what);
    ended.add(1);
  };
  auto const call = [&](auto const& task) {
    while (!stop) {
      auto const number = next++;
      auto const value = task.on(client).try_remote(site.file(), number);
      if (!value)
        failed(value.error().what());
      else if (*value != number)
        failed("a wrong value");
      else
        ended.add(1);
    }
  };
  auto const map = [&] {
    while (!stop) {
      std::vector<std::uint32_t> numbers(200);
      for (auto& number : numbers) number = next++;
      try {
        std::vector<yonder::call<std::uint32_t>> calls;
        for (auto const number : numbers) calls.push_back(task::note.on(client).spawn(site.file(), number));
        for (std::size_t i = 0; i < numbers.size(); ++i)
          if (calls[i].get() != numbers[i]) failed("a wrong value");
        ended.add(static_cast<std::uint32_t>(numbers.size()));
      } catch (std::exception const& error) {
        failed(error.what());
      }
    }
  };
  std::vector<std::thread> callers;
  callers.emplace_back([&] { call(task::note); });
  callers.emplace_back([&] { call(task::note); });
  callers.emplace_back([&] { call(task::note_within); });
  callers.emplace_back(map);
  for (int i = 0; i < upgrades; ++i) {
    ended.wait_for_more(100);
    site.upgrade();
  }
  ended.wait_for_more(100);
  stop = true;
  for (auto& one : callers) one.join();
  for (auto const& one : failures) FAIL_CHECK(one);
  auto const noted = noted_in(site.file());
  REQUIRE(noted.size() == next.load());
  for (std::uint32_t i = 0; i < noted.size(); ++i) CHECK(noted[i] == i);
}

TEST_CASE("a hub that is told to end waits for what runs, and is ended by a second signal") {
  upgraded_hub site;
  site.start_worker();
  yonder::runtime client(site.client());
  auto running = task::wait_for_stop.on(client).spawn();
  until_running(running);
  auto waiting = task::twice.on(client).spawn(21);
  site.hub().end();
  auto const said = site.hub().read_line();
  CHECK(said.find("the hub ends, and begins no further calls; those that run are waited for, 25 s at most") !=
        std::string::npos);
  auto const ps = [&](std::vector<std::string> words) {
    words.insert(words.begin(), "ps");
    words.insert(words.end(), {"--hub", site.address(), "--keys", site.keys()});
    program shown(YONDER_COMMAND, std::vector<std::string>{}, words);
    auto text = shown.read_all();
    shown.wait();
    return text;
  };
  auto const shown = ps({});
  CHECK_MESSAGE(
      shown.find("the hub ends, and begins no further calls; those that run are waited for, 2") == 0, shown);
  auto const json = ps({"--json"});
  CHECK_MESSAGE(json.find("\n\"drains\": {\"within\": 2") != std::string::npos, json);
  auto all = true;
  SUBCASE("it ends when that has ended") { running.cancel(); }
  SUBCASE("it ends at once") {
    all = false;  // perhaps before its client was given the other call back
    site.hub().end();
  }
  CHECK(site.hub().wait().status == 0);
  site.start();
  if (all)
    CHECK(waiting.get() == 42);
  else
    running.cancel();  // its worker goes on with it
  CHECK_THROWS(running.get());
}

TEST_CASE("a hub that is told to end waits no longer than it was told") {
  upgraded_hub site({"--drain-timeout", "50ms"});
  site.start_worker();
  yonder::runtime client(site.client());
  std::string const gate = site.file() + ".gate";
  auto running = task::note_and_wait.on(client).spawn(site.file(), 1, gate);
  while (noted_in(site.file()).empty()) std::this_thread::sleep_for(1ms);
  site.hub().end();
  CHECK(site.hub().wait().status == 0);
  SUBCASE("its worker ends the task when the next hub is there") {
    site.start();
    std::ofstream{gate};
  }
  SUBCASE("or before") {
    std::ofstream{gate};
    site.start();
  }
  CHECK(running.get() == 1);  // none may be tried again
  CHECK(noted_in(site.file()) == std::vector<std::uint32_t>{1});
  CHECK(task::twice.on(client).remote(2) == 4);
}

TEST_CASE("what streams does not outlast its hub") {
  upgraded_hub site({"--drain-timeout", "50ms"});
  site.start_worker();
  yonder::runtime client(site.client());
  auto all = task::doubles_of.on(client).stream(without_end());
  auto next = all.begin();
  CHECK(*next == 2);
  site.hub().end();
  CHECK(site.hub().wait().status == 0);
  site.start();
  auto const read_on = [&] {
    for (;;) ++next;
  };
  CHECK_THROWS_AS(read_on(), yonder::disconnected);
}
#endif

}  // namespace e2e
