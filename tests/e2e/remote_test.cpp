// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <future>
#include <numeric>
#include <string>
#include <utility>
#include <vector>

#include "src/platform/process.hpp"
#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "tests/e2e/remote_service.hpp"
#include "tests/e2e/site.hpp"
#include "tests/e2e/tasks.hpp"
#include "transports/zmq/keys.hpp"

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// A hub, workers and clients that meet over ZeroMQ, as on three machines.
namespace e2e {
namespace {

constexpr yonder::task<[](std::string const& s) { return s.size(); }, "e2e.structure"> structure;
constexpr yonder::task<[] { return 0; }, "e2e.only_here"> only_here;

}  // namespace

TEST_CASE("streams travel through a hub, out of a task and into it") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  int next = 0;
  for (int const n : task::counting.on(client).stream(20'000)) CHECK(n == ++next);
  CHECK(next == 20'000);
  next = 0;
  for (auto const& block : task::blocks.on(client).stream(24, 1 << 16)) CHECK(block.back() == next++);
  CHECK(next == 24);
  CHECK(task::bytes_in.on(client).remote("", blocks(24, 1 << 16)) == 24 * (8 << 16));
  next = 0;
  for (int const n : task::doubles_of.on(client).stream(counting(3000))) CHECK(n == 2 * ++next);
  CHECK(next == 3000);
  for (int const n : task::counting.on(client).stream(1 << 30))
    if (n == 100) break;
  CHECK(task::twice.on(client).remote(1) == 2);  // the only worker is free again
}

TEST_CASE("a call travels through a hub to a worker of another program, over tcp with keys") {
  site here;
  yonder::runtime client(here.client());
  auto early = task::process.on(client).spawn();  // waits for a worker to come
  here.start_worker();
  CHECK(early.get() != ::getpid());
  CHECK(task::add.on(client).remote(1, 2) == 3);
  CHECK_THROWS_AS(task::fail_with.on(client).remote("out_of_range"), std::out_of_range);

  std::vector<float> numbers(1'000'000);
  std::iota(numbers.begin(), numbers.end(), 0.0F);
  CHECK(task::doubled.on(client).remote(numbers) == task::doubled.local(numbers));

  std::vector<int> many(3000);
  std::iota(many.begin(), many.end(), 0);
  int next = 0;
  for (int const n : task::twice.on(client).map(many)) REQUIRE(n == 2 * next++);
  CHECK(next == 3000);
}

TEST_CASE("tasks of workers elsewhere call tasks, as far as there are workers") {
  site here;
  yonder::runtime client(here.client());
  here.start_worker();
  auto const alone = failure_of([&] { task::nested.on(client).remote(); });
  CHECK(alone.type_name == "yonder::would_deadlock");
  here.start_worker();
  CHECK(task::nested.with({.retries = 20}).on(client).remote() == "from a worker!");
}

TEST_CASE(
    "a worker that came by itself makes a service, ends it after the window, and runs tasks before and "
    "after") {
  site here;
  yonder::runtime client(here.client());
  here.start_worker();
  auto const process = task::process.on(client).remote();
  auto const counter = task::remote_counters(7);
  CHECK(task::next_count.on(counter).on(client).remote() >= 7);
  CHECK(task::counting_process.on(counter).on(client).remote() == process);
  CHECK(task::process.on(client).remote() == process);  // once the service has gone
  CHECK(task::next_count.on(task::remote_counters(40)).on(client).remote() == 40);
  CHECK(task::next_count.on(task::remote_counters(50)).on(client).remote() == 50);
}

TEST_CASE("a worker that had a service for several calls at once runs maps of tasks afterwards") {
  site here;
  yonder::runtime client(here.client());
  here.start_worker();
  std::vector<int> numbers(2'000);
  std::iota(numbers.begin(), numbers.end(), 0);
  for (int i = 0; i < 3; ++i) {
    auto const process = task::crew_process.on(task::remote_crews()).on(client).remote();
    CHECK(task::process.on(client).remote() == process);  // once the service has gone
    int sum = 0;
    for (int const twice : task::twice.on(client).map(numbers)) sum += twice;
    CHECK(sum == 2'000 * 1'999);
  }
}

TEST_CASE("a hub that was started again finds its workers without the services of the one before") {
  folder const place;
  site here(over("ipc://" + (place / "hub")));
  here.start_worker();
  int process = 0;
  {
    yonder::runtime client(here.client());
    process = task::crew_process.on(task::remote_crews()).on(client).remote();
  }
  here.restart_hub();
  yonder::runtime client(here.client());
  std::vector<int> numbers(500, 1);
  int sum = 0;
  for (int const twice : task::twice.on(client).map(numbers)) sum += twice;
  CHECK(sum == 1'000);
  CHECK(task::process.on(client).remote() == process);
  CHECK(task::crew_process.on(task::remote_crews()).on(client).remote() == process);
}

TEST_CASE("a worker that is told to end while it destroys a lost hub's service has the exit_timeout for it") {
  folder const place;
  site here(over("ipc://" + (place / "hub")));
  here.start_worker();
  {
    yonder::runtime client(here.client());
    task::lingering_process.on(task::remote_lingerers(place / "ends")).on(client).remote();
  }
  here.restart_hub();
  while (!fs::exists(place / "ends")) std::this_thread::yield();
  auto worker = here.take_worker();
  worker.kill(SIGTERM);
  CHECK(worker.wait().signal == 0);
}

TEST_CASE("the same over ipc, in a folder of one's own") {
  folder const place;
  site here(over("ipc://" + (place / "sockets/hub")));
  here.start_worker();
  yonder::runtime client(here.client());
  CHECK(task::add.on(client).remote(1, 2) == 3);
  struct stat status {};
  REQUIRE(::stat((place / "sockets").c_str(), &status) == 0);
  CHECK((status.st_mode & 0777U) == 0700U);
}

TEST_CASE("a remote worker's call can be cancelled while it runs") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  task::add.on(client).remote(1, 2);
  auto call = task::wait_for_stop.on(client).spawn();
  until_running(call);
  call.cancel();
  CHECK_THROWS_AS(call.get(), yonder::cancelled);
  CHECK(task::add.on(client).remote(1, 2) == 3);
}

TEST_CASE("a function that no worker has is refused in words") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  task::add.on(client).remote(1, 2);
  CHECK_THROWS_AS(only_here.on(client).remote(), yonder::unknown_function);
  auto const failure = failure_of([&] { only_here.on(client).remote(); });
  CHECK(failure.message.find("e2e.only_there") != std::string::npos);
  CHECK(task::add.on(client).remote(1, 2) == 3);
}

TEST_CASE("a function with another structure is refused in words, before a byte is decoded") {
  site here;
  here.start_worker();
  yonder::runtime client(here.client());
  task::add.on(client).remote(1, 2);
  CHECK_THROWS_AS(structure.on(client).remote("abc"), yonder::signature_mismatch);
  CHECK(task::add.on(client).remote(1, 2) == 3);
}

#ifdef YONDER_COMMAND
// What the yonder command says, and how it ends.
struct command {
  explicit command(std::string const& arguments) {
    auto* const stream = ::popen((std::string(YONDER_COMMAND " ") + arguments + " 2>&1").c_str(), "r");
    REQUIRE(stream != nullptr);
    for (int c = 0; (c = std::fgetc(stream)) != EOF;) said += static_cast<char>(c);
    status = WEXITSTATUS(::pclose(stream));
  }
  std::string said;
  int status = 0;
};
#endif

TEST_CASE("the operator changes a hub's pools from elsewhere, by a program and by the command line") {
  folder const keys;
  yonder::transport::keygen(keys / "keys");
  yonder::runtime here({.max = 2,
                        .resources = yonder::resources{.gpu_memory = {1 << 30}, .cpu = 1},
                        .bind = {over("tcp://127.0.0.1:*")},
                        .keys = keys / "keys",
                        .is_current = false});
  auto const address = here.addresses().front();
  yonder::runtime boss({.hub = address, .keys = keys / "keys", .as_operator = true, .is_current = false});
  boss.scale({.min = 1, .scaledown_window = 5s});
  auto const gpu = task::twice.with({.gpu = 1});
  boss.warm(gpu);
  auto const pools = boss.pools();
  REQUIRE(pools.size() == 2);
  CHECK(pools[0].name == "default");
  CHECK(pools[0].min == 1);
  CHECK(pools[0].scaledown_window == 5s);
  CHECK(pools[1].needs == "gpu = 1");
  CHECK(here.pools()[1].name == pools[1].name);
  while (here.worker_count() != 2) std::this_thread::sleep_for(1ms);
  auto const refused = failure_of([&] { boss.scale({.min = 3}); });
  CHECK(refused.code == yonder::errc::bad_configuration);
  CHECK(refused.message == "max would be 2, min 3 and buffer 0; let max be no less than both");
  CHECK(gpu.on(boss).remote(4) == 8);

#ifdef YONDER_COMMAND
  auto const where = " --hub " + address + " --keys " + (keys / "keys");
  auto const scaled =
      command("hub scale default --min 0 --max 4 --buffer 1 --max-queue 9 --scaledown-window 250ms" + where);
  CHECK(scaled.said.empty());
  CHECK(scaled.status == 0);
  auto const seen = here.pools()[0];
  CHECK(seen.min == 0);
  CHECK(seen.max == 4);
  CHECK(seen.buffer == 1);
  CHECK(seen.max_queue == 9);
  CHECK(seen.scaledown_window == 250ms);
  CHECK(command("hub warm " + pools[1].name + " 1" + where).status == 0);
  auto const listed = command("ps" + where);
  CHECK(listed.said.find("POOL ") == 0);
  CHECK(listed.said.find("\ndefault ") != std::string::npos);
  CHECK(listed.said.find("gpu = 1\n") != std::string::npos);
  auto const json = command("ps --json" + where);
  CHECK(json.said.find("{\"pools\": [{\"name\": \"default\", \"needs\": \"\", \"min\": 0, \"max\": 4") == 0);
  auto const used = boss.usage();
  REQUIRE(used.size() == 1);
  CHECK(used[0].task == task::twice.name);
  CHECK(used[0].attempts == 1);
  CHECK(used[0].gpu_time == used[0].worker_time);
  CHECK(here.usage().size() == 1);
  CHECK(command("ps --usage" + where).said.find("DAY ") == 0);
  CHECK(command("ps --usage --json" + where).said.find("[{\"day\": \"" + used[0].day + "\", \"task\": \"") ==
        0);
  auto const wrong = command("hub scale nowhere --min 1" + where);
  CHECK(wrong.status == 1);
  CHECK(wrong.said.find("there is no pool 'nowhere'; there are: default, needs-") != std::string::npos);
  CHECK(command("hub scale default --scaledown-window soon" + where).said.find("'soon' is no time") !=
        std::string::npos);
  CHECK(command("hub scale default --scaledown-window 5" + where).said.find("'5' is no time") !=
        std::string::npos);
  ::setenv("YONDER_HUB", over("tcp://127.0.0.1:9").c_str(), 1);  // where it is not
  CHECK(command("ps" + where).said.find("POOL ") == 0);
  ::unsetenv("YONDER_HUB");
  CHECK(command("hub scale default --scaledown-window 9999999h" + where).said.find("'9999999h' is no time") !=
        std::string::npos);
  CHECK(command("hub scale default --min 9" + where).status == 1);
#endif
}

#ifdef YONDER_COMMAND
TEST_CASE("the command fails where it says what is wrong") {
  folder const place;
  CHECK(command("keygen " + (place / "keys")).status == 0);
  auto const again = command("keygen " + (place / "keys"));
  CHECK(again.status == 1);
  CHECK(again.said.find("exists already") != std::string::npos);
  CHECK(command("hub --bind ipc://relative").status == 2);
  CHECK(command("hub scale").status == 2);
}

TEST_CASE("a hub of the command takes the keys that it is told, and ends in good order by SIGTERM") {
  folder const place;
  auto const keys = place / "keys";
  yonder::transport::keygen(keys);
  auto const socket = place / "sockets/hub";
  program hub(
      YONDER_COMMAND, {},
      {"hub", "--bind", over("tcp://127.0.0.1:*"), "--bind", over("ipc://" + socket), "--keys", keys});
  yonder::runtime_options const options{
      .hub = hub.read_line(), .keys = keys, .as_operator = true, .connect_timeout = 20s};
  CHECK(hub.read_line() == over("ipc://" + socket));
  CHECK_NOTHROW((void)yonder::runtime(options).pools());
  CHECK(fs::exists(socket));
  hub.end();
  CHECK(hub.wait().status == 0);
  CHECK_FALSE(fs::exists(socket));
}

#ifdef YONDER_COMMAND_HAS_HTTP
TEST_CASE("a hub of the command tells a collector of its calls") {
  folder const place;
  yonder::platform::unique_fd const collector(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  auto* const where = reinterpret_cast<sockaddr*>(&at);
  REQUIRE(::bind(collector.get(), where, size) == 0);
  REQUIRE(::listen(collector.get(), 8) == 0);
  REQUIRE(::getsockname(collector.get(), where, &size) == 0);
  program hub(YONDER_COMMAND,
              {"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:" + std::to_string(ntohs(at.sin_port))},
              {"hub", "--bind", over("ipc://" + (place / "sockets/hub")), "--keys", place / "keys"});
  auto const address = hub.read_line();
  program worker(YONDER_REMOTE_WORKER, {}, {"--yonder-worker", address});
  yonder::runtime client(
      {.hub = address, .keys = place / "keys", .connect_timeout = 20s, .is_current = false});
  CHECK(task::twice.on(client).remote(2) == 4);
  pollfd comes{collector.get(), POLLIN, 0};
  REQUIRE(::poll(&comes, 1, 20'000) == 1);
  yonder::platform::unique_fd const told(::accept(collector.get(), nullptr, nullptr));
  std::string first(16, '\0');
  REQUIRE(::recv(told.get(), first.data(), first.size(), MSG_WAITALL) == 16);
  CHECK(first == "POST /v1/traces ");
  worker.kill();
  worker.wait();
}
#endif
#endif

TEST_CASE("promise 20: who is only a client of a hub changes none of its pools") {
  site here;
  yonder::runtime client(here.client());
  for (auto const& attempt : std::initializer_list<std::function<void()>>{[&] { client.scale({.min = 1}); },
                                                                          [&] { client.warm("default"); },
                                                                          [&] { (void)client.pools(); }}) {
    auto const refused = failure_of(attempt);
    CHECK(refused.code == yonder::errc::unauthorized);
    CHECK(refused.message.find("only the operator of a hub") == 0);
  }
  here.start_worker();
  CHECK(task::twice.on(client).remote(2) == 4);
  auto options = here.client();
  options.as_operator = true;
  yonder::runtime boss(options);
  CHECK(boss.pools().empty());
  auto const starts_none = failure_of([&] { boss.scale({.min = 1}); });
  CHECK(starts_none.code == yonder::errc::unsatisfiable);
}

TEST_CASE("over ipc a hub's pools are its user's to change") {
  folder const own;
  yonder::runtime here({.max = 1, .bind = {over("ipc://" + (own / "hub"))}, .is_current = false});
  yonder::runtime boss({.hub = over("ipc://" + (own / "hub")), .is_current = false});
  boss.scale({.max = 3});
  CHECK(boss.pools().at(0).max == 3);
}

TEST_CASE("a hub that is not there is told within the time") {
  folder const place;
  yonder::transport::keygen(place / "keys");
  yonder::runtime client(
      {.hub = over("tcp://127.0.0.1:9"), .keys = place / "keys", .connect_timeout = 200ms});
  CHECK_THROWS_AS(task::add.on(client).remote(1, 2), yonder::hub_unreachable);
  CHECK_THROWS_AS(task::add.on(client).remote(1, 2), yonder::hub_unreachable);
}

TEST_CASE("promise 16: nobody gets in without a key that the hub lists") {
  site here;
  folder const stranger;
  yonder::transport::keygen(stranger / "keys");
  // The right hub, but a client key that it does not know.
  fs::copy_file(here.keys() + "/server.pub", stranger / "keys/server.pub",
                fs::copy_options::overwrite_existing);
  yonder::runtime client({.hub = here.address(), .keys = stranger / "keys", .connect_timeout = 20s});
  CHECK_THROWS_AS(task::add.on(client).remote(1, 2), yonder::unauthorized);
}

TEST_CASE("promise 16: a tcp address without keys is refused at start") {
  folder const empty;
  try {
    yonder::runtime const hub({.max = 0, .bind = {over("tcp://127.0.0.1:*")}, .keys = empty / "none"});
    FAIL("the hub started");
  } catch (yonder::usage_error const& error) {
    CHECK(error.code() == yonder::errc::bad_configuration);
    CHECK(std::string(error.what()).find("keygen") != std::string::npos);
  }
}

TEST_CASE("a hub that is restarted in good order finds its client and its worker again") {
  folder const place;
  site here(over("ipc://" + (place / "hub")));
  here.start_worker();
  yonder::runtime client(here.client());
  auto const worker = task::process.on(client).remote();
  auto call = task::wait_for_stop.on(client).spawn();
  until_running(call);
  here.restart_hub();
  CHECK_THROWS_AS(call.get(), yonder::disconnected);
  CHECK(task::process.on(client).remote() == worker);
}

TEST_CASE("a call past what the hub receives is too large at once, and what is behind it goes on") {
  site here("", 1 << 20);
  here.start_worker();
  yonder::runtime client(here.client());
  CHECK(task::add.on(client).remote(1, 2) == 3);
  auto const large = task::doubled.on(client).try_remote(std::vector<float>(1'000'000));
  REQUIRE_FALSE(large);
  CHECK(large.error().code() == yonder::errc::too_large);
  CHECK(
      std::string(large.error().what())
          .find(
              "the hub receives at most 1310720 (runtime_options::max_call_bytes of the hub, and 262144 for "
              "what surrounds them)") != std::string::npos);
  CHECK(task::add.on(client).remote(1, 2) == 3);
}

TEST_CASE("a program that embeds its hub takes remote workers too") {
  folder const place;
  yonder::transport::keygen(place / "keys");
  yonder::runtime own({.max = 0, .bind = {over("tcp://127.0.0.1:*")}, .keys = place / "keys"});
  auto worker =
      yonder::platform::spawn({.path = YONDER_REMOTE_WORKER,
                               .arguments = {"remote_worker", "--yonder-worker", own.addresses().front()},
                               .environment = {"YONDER_KEYS=" + (place / "keys")},
                               .output = -1,
                               .inherited = {}});
  watched_process const served(task::process.on(own).remote());
  worker.kill(SIGTERM);  // drains and exits
  auto const how = worker.wait();
  CHECK(how.signal == 0);
  CHECK(how.status == 0);
  CHECK(served.ends_within(0ms));
}

TEST_CASE("a caller whose hub has no worker for its call is told so") {
  site here;
  auto options = here.client();
  std::promise<std::string> told;
  options.log = [&told](std::string_view line) { told.set_value(std::string(line)); };
  yonder::runtime client(options);
  auto const waiting = task::add.on(client).spawn(1, 2);
  CHECK(told.get_future().get().find("the hub says: a call of 'e2e::add' has waited 5 s") !=
        std::string::npos);
}

TEST_CASE("a fork has no part in its parent's connection to a hub elsewhere" *
          doctest::skip(YONDER_IS_SANITIZED)) {  // whose run-time does not fork with threads
  site here;
  here.start_worker();
  auto client = std::make_unique<yonder::runtime>(here.client());
  CHECK(task::add.on(*client).remote(1, 2) == 3);
  auto running = task::wait_for_stop.on(*client).spawn();
  until_running(running);
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::alarm(30);
    bool const inert =
        failure_of([&] { running.get(); }).code == yonder::errc::no_runtime &&
        failure_of([&] { task::add.on(*client).remote(1, 2); }).code == yonder::errc::no_runtime;
    running.cancel();
    client.reset();
    std::_Exit(inert ? 0 : 1);
  }
  int status = -1;
  CHECK(::waitpid(child, &status, 0) == child);
  CHECK(status == 0);
  CHECK_FALSE(running.get_for(10ms));
  running.cancel();
  CHECK_THROWS_AS(running.get(), yonder::cancelled);
  CHECK(task::add.on(*client).remote(1, 2) == 3);
}

}  // namespace e2e
