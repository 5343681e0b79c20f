// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "src/platform/process.hpp"
#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/site.hpp"
#include "tests/e2e/tasks.hpp"
#include "transports/zmq/keys.hpp"

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// How workers elsewhere begin, end and come back.
namespace e2e {
namespace {

constexpr yonder::task<[] { return 0; }, "e2e.leave_orphan"> orphans;  // the worker's does something
constexpr yonder::task<[](int) { return yonder::ref<std::vector<double>>(); }, "e2e.ones_there"> ones_there;

// A worker that is started with some address, and what it says.
struct lone_worker {
  lone_worker(std::string const& keys, std::vector<std::string> const& address)
      : process(start(keys, address, output)) {}

  std::string read_line() {
    std::string line;
    for (char c = 0; ::read(output.get(), &c, 1) == 1 && c != '\n';) line += c;
    return line;
  }
  std::string read_all() {
    std::string all;
    for (char c = 0; ::read(output.get(), &c, 1) == 1;) all += c;
    return all;
  }

  static yonder::platform::child_process start(std::string const& keys,
                                               std::vector<std::string> const& address,
                                               yonder::platform::unique_fd& output) {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    output.reset(ends[0]);
    yonder::platform::unique_fd const writable(ends[1]);
    std::vector<std::string> arguments{"remote_worker", "--yonder-worker"};
    arguments.insert(arguments.end(), address.begin(), address.end());
    return yonder::platform::spawn({.path = YONDER_REMOTE_WORKER,
                                    .arguments = std::move(arguments),
                                    .environment = {"YONDER_KEYS=" + keys},
                                    .output = writable.get(),
                                    .inherited = {}});
  }

  yonder::platform::unique_fd output;
  yonder::platform::child_process process;
};

// Of another process, which keeps what it has, and gets `more` descriptors.
class descriptor_limit {
 public:
  descriptor_limit(pid_t process, rlim_t more) : process_(process) {
    ::prlimit(process, RLIMIT_NOFILE, nullptr, &before_);
    auto limit = before_;
    auto const taken = [process](rlim_t fd) {
      return fs::is_symlink("/proc/" + std::to_string(process) + "/fd/" + std::to_string(fd));
    };
    for (limit.rlim_cur = 0; more > 0; ++limit.rlim_cur)
      if (!taken(limit.rlim_cur)) --more;
    ::prlimit(process, RLIMIT_NOFILE, &limit, nullptr);
  }
  ~descriptor_limit() { ::prlimit(process_, RLIMIT_NOFILE, &before_, nullptr); }
  descriptor_limit(descriptor_limit const&) = delete;
  descriptor_limit& operator=(descriptor_limit const&) = delete;

 private:
  pid_t process_;
  rlimit before_{};
};

}  // namespace

TEST_CASE("a remote worker that retires comes back as another process") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  auto const first = task::process.on(client).remote();
  task::retire.on(client).remote();
  CHECK(task::process.on(client).remote() != first);
}

TEST_CASE("a worker that dies in the middle of a call is lost, and the next worker serves") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  task::add.on(client).remote(1, 2);
  auto call = task::ignore_stop.on(client).spawn();
  until_running(call);
  here.stop_worker();
  CHECK_THROWS_AS(call.get(), yonder::worker_lost);
  here.start_worker();
  CHECK(task::add.on(client).remote(1, 2) == 3);
}

TEST_CASE("a remote worker that had to end itself, or was ended by a task, comes back") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  auto const first = task::process.on(client).remote();
  CHECK_THROWS_AS(task::ignore_stop.with({.timeout = 50ms}).on(client).remote(), yonder::timed_out);
  auto const next = task::process.with({.deadline = 60s}).on(client);  // a worker that stays away is told so
  auto const second = next.remote();
  CHECK(second != first);
  CHECK_THROWS_AS(task::crash.on(client).remote("exit"), yonder::worker_lost);
  CHECK(next.remote() != second);
}

TEST_CASE(
    "promise 13: a crash on a remote worker is reported with its signal and the last words, every time") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  auto longest = 0ns;
  for (int i = 0; i < 3; ++i) {
    auto const begin = std::chrono::steady_clock::now();
    auto const failure = failure_of([&] { task::crash.on(client).remote("abort"); });
    longest = std::max<std::chrono::nanoseconds>(longest, std::chrono::steady_clock::now() - begin);
    CHECK(failure.code == yonder::errc::worker_lost);
    CHECK(failure.signal == SIGABRT);
    CHECK(failure.message.find("the worker was ended by SIGABRT (signal 6)") == 0);
    CHECK(failure.stderr_tail.find("the last words") != std::string::npos);
  }
  auto const gone = failure_of([&] { task::crash.on(client).remote("exit"); });
  CHECK(gone.message.find("the worker exited with status") == 0);
  MESSAGE("told after ", longest / 1ms, " ms at most");
  CHECK(longest < 9s);  // by the silence of a worker, which is the other way to notice, it takes ten
}

TEST_CASE("a remote worker's end is told, too, where whoever started it ignores the ends of its children") {
  site here;
  auto ignoring = yonder::platform::spawn(
      {.path = "env",
       .arguments = {"env", "--ignore-signal=CHLD", YONDER_REMOTE_WORKER, "--yonder-worker", here.address()},
       .environment = {"YONDER_KEYS=" + here.keys()},
       .output = -1,
       .inherited = {}});
  yonder::runtime client(here.client());
  CHECK(failure_of([&] { task::crash.on(client).remote("abort"); }).signal == SIGABRT);
  ignoring.kill(SIGTERM);
  CHECK(ignoring.wait().status == 0);
}

TEST_CASE("what tasks leave behind is reaped by a worker that is a container's first process") {
  site here;
  auto first =
      yonder::platform::spawn({.path = YONDER_REMOTE_WORKER,
                               .arguments = {"remote_worker", "--yonder-worker", here.address()},
                               .environment = {"YONDER_KEYS=" + here.keys(), "YONDER_TEST_FIRST_PROCESS=yes"},
                               .output = -1,
                               .inherited = {}});
  yonder::runtime client(here.client());
  for (int i = 0; i < 3; ++i) {
    auto const orphan = orphans.on(client).remote();
    REQUIRE(orphan > 0);
    auto const until = std::chrono::steady_clock::now() + 20s;
    while (::kill(orphan, 0) == 0 && std::chrono::steady_clock::now() < until) std::this_thread::yield();
    CHECK(::kill(orphan, 0) != 0);
  }
  CHECK(failure_of([&] { task::crash.on(client).remote("abort"); }).signal == SIGABRT);
  first.kill(SIGTERM);
  CHECK(first.wait().status == 0);
}

// Left out under sanitizers: UBSan looks at what is thrown by way of a pipe, for which no descriptor is left.
TEST_CASE("a remote worker in whose place none can be started for now comes back when one can" *
          doctest::skip(YONDER_IS_SANITIZED)) {
  site here;
  lone_worker watched(here.keys(), {here.address()});
  yonder::runtime client(here.client());
  auto const first = task::process.on(client).remote();
  auto lost = task::wait_for_stop.on(client).spawn();
  until_running(lost);
  {
    descriptor_limit const few(watched.process.pid(), 2);  // enough to say so
    ::kill(first, SIGKILL);
    auto line = watched.read_line();
    while (!line.empty() && line.find("no worker could be started") == line.npos) line = watched.read_line();
    CHECK(line.find("Too many open files; tried again in 1 s") != line.npos);
  }
  CHECK(failure_of([&] { lost.get(); }).signal == SIGKILL);
  CHECK(task::process.on(client).remote() != first);
  watched.process.kill(SIGTERM);
  CHECK(watched.process.wait().status == 0);
}

TEST_CASE("a program without descriptors for its connection is told, and not ended" *
          doctest::skip(YONDER_IS_SANITIZED)) {
  folder const place;
  yonder::transport::keygen(place / "keys");
  yonder::runtime_options const options{.hub = over("tcp://127.0.0.1:9"), .keys = place / "keys"};
  int made = 0;
  for (rlim_t more = 0; more < 48; ++more) {
    descriptor_limit const few(::getpid(), more);
    try {
      yonder::runtime const client(options);
      ++made;
    } catch (yonder::error const& error) {
      CHECK(std::string(error.what()).find("ulimit -n") != std::string::npos);
    }
  }
  CHECK(made > 0);
  CHECK(made < 48);
}

TEST_CASE("promise 3: a remote worker that somebody stops is replaced") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  auto const stopped = task::process.on(client).remote();
  auto const failure =
      failure_of([&] { task::crash.on(client).remote("stop"); });  // by itself: it has begun then
  CHECK(failure.message.find("was stopped by a signal") != std::string::npos);
  CHECK(task::process.on(client).remote() != stopped);
}

TEST_CASE("a remote worker ends with whoever watches it, and as it was told") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  watched_process const killed(task::process.on(client).remote());
  auto running = task::ignore_stop.on(client).spawn();
  until_running(running);
  here.stop_worker();
  CHECK(killed.ends_within(10s));

  lone_worker interrupted(here.keys(), {here.address()});
  watched_process const served(task::process.on(client).remote());
  interrupted.process.kill(SIGINT);
  CHECK(interrupted.process.wait().signal == SIGINT);
  CHECK(served.ends_within(0ms));
}

TEST_CASE(
    "a remote worker that is told to end is gone from its hub as it ends, not when it was silent for long") {
  site here;
  yonder::runtime client(here.client());
  for (int i = 0; i < 3; ++i) {
    lone_worker worker(here.keys(), {here.address()});
    task::process.on(client).remote();
    worker.process.kill(SIGTERM);
    CHECK(worker.process.wait().status == 0);
    auto const ended = std::chrono::steady_clock::now();
    while (here.workers() != 0) std::this_thread::sleep_for(1ms);
    CHECK(std::chrono::steady_clock::now() - ended < 5s);  // of 10 otherwise
  }
}

TEST_CASE("promise 16: a worker whose key is refused says so once, and ends") {
  site here;
  folder const stranger;
  yonder::transport::keygen(stranger / "keys");
  fs::copy_file(here.keys() + "/server.pub", stranger / "keys/server.pub",
                fs::copy_options::overwrite_existing);
  lone_worker worker(stranger / "keys", {here.address()});
  auto const said = worker.read_all();
  CHECK(said.find("yonder worker: unauthorized: ") == 0);
  CHECK(said.find('\n') == said.size() - 1);
  CHECK(worker.process.wait().status == 1);
}

TEST_CASE("a worker with a wrong address, or without keys, says so in one line and exits with 2") {
  folder const empty;
  for (auto const& address : {std::vector<std::string>{"nonsense"}, {over("tcp://127.0.0.1:1")}, {}}) {
    lone_worker worker(empty / "none", address);
    auto const said = worker.read_all();
    CHECK(said.find("yonder worker: bad_configuration: ") == 0);
    CHECK(said.find('\n') == said.size() - 1);
    CHECK(worker.process.wait().status == 2);
  }
}

TEST_CASE("a worker that expects another hub's key says what it met, and goes on trying") {
  site here;
  folder const elsewhere;
  yonder::transport::keygen(elsewhere / "keys");
  lone_worker worker(elsewhere / "keys", {here.address()});
  auto const said = worker.read_line();
  CHECK(said.find("yonder worker: no hub answers at '" + here.address() + "' yet") == 0);
  CHECK(said.find("server.pub is not its key") != std::string::npos);
  worker.process.kill(SIGTERM);
  CHECK(worker.read_all().empty());
}

TEST_CASE("a worker that finds no hub says so once, and goes on trying") {
  folder const place;
  yonder::transport::keygen(place / "keys");
  lone_worker worker(place / "keys", {over("tcp://127.0.0.1:9")});
  CHECK(worker.read_line().find("yonder worker: no hub answers at '" + over("tcp://127.0.0.1:9") + "' yet") ==
        0);
  worker.process.kill(SIGTERM);
  CHECK(worker.read_all().empty());
  CHECK(worker.process.wait().status == 0);
}

TEST_CASE("a value by reference goes over a network, from the one who has it to whoever uses it") {
  constexpr int large = 300'000;
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  auto const all = yonder::put(std::vector<double>(large, 1.0), client);
  CHECK(task::total.on(client).remote(all) == large);
  auto const there = ones_there.on(client).remote(large);
  CHECK(there.get() == std::vector<double>(large, 1.0));
  CHECK(task::total.on(client).remote(there) == large);
}

TEST_CASE("where its hub was started anew a value is brought from where it is") {
  constexpr int large = 300'000;
  folder const place;
  site here(over("ipc://" + (place / "hub")));
  here.start_worker();
  yonder::runtime client(here.client());
  auto const all = yonder::put(std::vector<double>(large, 1.0), client);
  CHECK(task::total.on(client).remote(all) == large);
  here.stop_worker();
  here.restart_hub();
  here.start_worker();
  CHECK(task::total.on(client).remote(all) == large);
}

}  // namespace e2e
