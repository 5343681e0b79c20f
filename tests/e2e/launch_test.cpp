// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <doctest/doctest.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <thread>
#include <vector>

#include "src/platform/descriptors.hpp"
#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "tests/e2e/ssh_site.hpp"

// Workers that launchers start: by a real sshd, and by the command line of a cloud that only takes notes.
namespace e2e {
namespace {

namespace fs = std::filesystem;

// The process that a line ends with.
int process_of(std::string const& line) { return std::stoi(line.substr(line.find_last_of(' ') + 1)); }

// What follows `prefix` in the names of a folder's files, once there are so many.
std::vector<std::string> names_in(std::string const& folder, std::string const& prefix, std::size_t count) {
  for (;;) {
    std::vector<std::string> names;
    for (auto const& file : fs::directory_iterator(folder))
      if (auto const name = file.path().filename().string(); name.starts_with(prefix))
        names.push_back(name.substr(prefix.size()));
    if (names.size() == count) return names;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

TEST_CASE("workers on an ssh host answer, and are gone when they have nothing to do" *
          doctest::skip(!has_sshd())) {
  ssh_site site;
  auto hub = site.hub(site.plan(), {"once"});
  auto const line = hub.read_line_past_log();
  REQUIRE_MESSAGE(line.starts_with("ran in "), line << "\n" << hub.read_all());
  CHECK(watched_process(process_of(line)).ends_within(std::chrono::seconds(60)));
  CHECK(hub.read_line() == "over");
  CHECK(hub.wait().status == 0);
}

TEST_CASE("a host whose key is another one is refused, with all that ssh says" * doctest::skip(!has_sshd())) {
  ssh_site site;
  site.know("user");
  auto hub = site.hub(site.plan(), {"once"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("worker_start_failed: no worker could be started") != std::string::npos, said);
  CHECK(said.find("$ ssh -T -oBatchMode=yes -oStrictHostKeyChecking=yes") != std::string::npos);
  CHECK(said.find("REMOTE HOST IDENTIFICATION HAS CHANGED") != std::string::npos);
  CHECK(said.find("exited with status 255") != std::string::npos);
}

TEST_CASE("what ~/.ssh/config has for people does not stand in a worker's way" * doctest::skip(!has_sshd())) {
  ssh_site site;
  yonder::platform::unique_fd const taken(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(taken.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(taken.get(), 1) == 0);
  REQUIRE(::getsockname(taken.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
  std::ofstream(site.at / "ssh_config", std::ios::app)
      << "  RemoteCommand tmux attach\n  RequestTTY force\n  ExitOnForwardFailure yes\n  LocalForward "
      << ntohs(at.sin_port) << " 127.0.0.1:1\n";
  auto hub = site.hub(site.plan(), {"once"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("failed: ") == std::string::npos, said);
}

TEST_CASE("a program that the host does not have is said in its shell's words" * doctest::skip(!has_sshd())) {
  ssh_site site;
  auto hub = site.hub(site.plan("worker = [\"/no/such/app\"]\n"), {"once"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("/no/such/app") != std::string::npos, said);
  CHECK(said.find("exited with status 127") != std::string::npos);
}

TEST_CASE("what is to be around a program on an ssh host is there, carried or not" *
          doctest::skip(!has_sshd())) {
  ssh_site site;
  std::string const around =
      "environment = { SOME_WORDS = \"a  b\" }\n"
      "before = [\"cat; YONDER_TEST_WORDS=$SOME_WORDS-c\", \"export YONDER_TEST_WORDS\"]\n";
  for (auto const& carried : {std::string(), "carry = true\ncache = \"" + site.at / "cache" + "\"\n"}) {
    auto const said = site.hub(site.plan(around + carried), {"told"}).read_all();
    CHECK_MESSAGE(said.find("told a  b-c\n") != std::string::npos, said);
  }
  auto const said = site.hub(site.plan("before = [\"module load cuda\"]\n"), {"told"}).read_all();
  CHECK_MESSAGE(said.find("worker_start_failed") != std::string::npos, said);
  CHECK_MESSAGE(said.find("not found") != std::string::npos, said);
}

TEST_CASE("workers on an ssh host are gone with a hub that is killed" * doctest::skip(!has_sshd())) {
  ssh_site site;
  auto hub = site.hub(site.plan(), {"stay", "2", site.at / ""});
  auto const workers = names_in(site.at / "", "worker.", 2);
  hub.kill();
  for (auto const& worker : workers)
    CHECK(watched_process(std::stoi(worker)).ends_within(std::chrono::seconds(60)));
}

TEST_CASE("a terminal that closes ends a hub in good order" * doctest::skip(!has_sshd())) {
  ssh_site site;
  auto hub = site.hub(site.plan(), {"serve"});
  auto said = hub.read_line();
  while (!said.empty() && std::isdigit(static_cast<unsigned char>(said.back())) == 0) said = hub.read_line();
  REQUIRE_FALSE(said.empty());  // the process that its call ran in
  ::kill(hub.pid(), SIGHUP);
  CHECK(hub.read_all().find("over") != std::string::npos);
  CHECK(hub.wait().status == 0);
}

TEST_CASE("a worker on an ssh host that crashes is told with what it said last, and leaves its place" *
          doctest::skip(!has_sshd())) {
  ssh_site site;
  // A host that was cut off keeps its one slot for an hour.
  auto hub = site.hub("[pools.default]\nlauncher = \"ssh\"\noptions = [\"-F\", \"" + site.at / "ssh_config" +
                          "\"]\nhosts = [\"near\"]\nsilence = \"1h\"\n",
                      {"crash"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("worker_lost: the worker (yonder-") != std::string::npos, said);
  CHECK(said.find("the last words of a worker") != std::string::npos);
  CHECK_MESSAGE(said.find("the worker was ended by SIGABRT (signal 6)") != std::string::npos, said);
  CHECK_MESSAGE(said.find("\nran in ") != std::string::npos, said);
}

TEST_CASE("a worker whose order does not come is ended by a signal, as any program is") {
  int ends[2];
  REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
  yonder::platform::unique_fd const readable(ends[0]), writable(ends[1]);
  auto const worker = yonder::platform::spawn({.path = YONDER_LAUNCHING_HUB,
                                               .arguments = {YONDER_LAUNCHING_HUB, "--yonder-worker", "-"},
                                               .input = readable.get()});
  // Until it takes signals when it wants to: before that anybody dies of one.
  auto const blocks = [&] {
    std::ifstream status("/proc/" + std::to_string(worker.pid()) + "/status");
    for (std::string line; std::getline(status, line);)
      if (line.starts_with("SigBlk:"))
        return (std::stoull(line.substr(7), nullptr, 16) >> (SIGCHLD - 1) & 1U) != 0;
    return true;
  };
  while (!blocks()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  ::kill(worker.pid(), SIGTERM);
  CHECK(worker.wait().signal == SIGTERM);
}

TEST_CASE("a plan that starts nothing elsewhere needs neither an address nor keys") {
  folder at;
  write(at / "launch.toml", "[pools.default]\nlauncher = \"process\"\n");
  program hub(YONDER_LAUNCHING_HUB, {"YONDER_LAUNCH=" + at / "launch.toml", "YONDER_KEYS=" + at / "none"},
              {"alone"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("ran in ") != std::string::npos, said);
  CHECK(hub.wait().status == 0);
}

TEST_CASE("a plan says how many processes of this machine there are, for a service, too") {
  folder at;
  write(at / "launch.toml",
        "[pools.default]\nlauncher = \"process\"\nmin = 1\nmax = 5\nscaledown_window = \"7s\"\n"
        "[pools.Counter]\nlauncher = \"process\"\nmax = 3\nbuffer = 1\n");
  program hub(YONDER_LAUNCHING_HUB, {"YONDER_LAUNCH=" + at / "launch.toml", "YONDER_KEYS=" + at / "none"},
              {"sizes"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("default 1 5 0 7000\n") != std::string::npos, said);
  CHECK_MESSAGE(said.find("Counter 0 3 1 200\n") != std::string::npos, said);
  CHECK(hub.wait().status == 0);
}

TEST_CASE("a hub elsewhere wins over a plan of the environment, and not in silence over a hub of one's own") {
  folder at;
  write(at / "launch.toml", "[pools.default]\nlauncher = \"ssh\"\nhosts = [\"near\"]\n");
  std::vector<std::string> const both{"YONDER_LAUNCH=" + at / "launch.toml", "YONDER_HUB=nowhere"};
  auto const alone = program(YONDER_LAUNCHING_HUB, both, {"alone"}).read_all();
  CHECK_MESSAGE(alone.find("is no address: tcp://HOST:PORT") != std::string::npos, alone);
  auto const bound = program(YONDER_LAUNCHING_HUB, both, {"once"}).read_all();
  CHECK_MESSAGE(
      bound.find("YONDER_HUB is set: the hub is elsewhere, at 'nowhere', and runtime_options::bind is for "
                 "a hub of this program's own") != std::string::npos,
      bound);
}

TEST_CASE("a worker whose time is over ends, and is not started again") {
  program worker(YONDER_LAUNCHING_HUB, {"YONDER_END_TIME=1"}, {"--yonder-worker", "tcp://127.0.0.1:9"});
  CHECK(worker.read_all().find("the time of this worker is over") != std::string::npos);
  CHECK(worker.wait().status == 0);
}

TEST_CASE("a worker that does not reach its hub tries on no longer than it may last") {
  launching_site site;
  auto const end = std::chrono::duration_cast<std::chrono::seconds>(
                       std::chrono::system_clock::now().time_since_epoch() + std::chrono::seconds(3))
                       .count();
  auto const before = std::chrono::steady_clock::now();
  program worker(YONDER_LAUNCHING_HUB,
                 {"YONDER_END_TIME=" + std::to_string(end), "YONDER_KEYS=" + site.at / "keys"},
                 {"--yonder-worker", "tcp://127.0.0.1:1"});
  auto const said = worker.read_all();
  CHECK_MESSAGE(said.find("hub_unreachable") != std::string::npos, said);
  CHECK(std::chrono::steady_clock::now() - before < std::chrono::seconds(45));  // of 60 s otherwise
}

// A cloud whose machines are processes; each is there as long as its file is.
struct cloud_site : launching_site {
  cloud_site() {
    write(at / "cloud", R"sh(#!/bin/sh
cd "$(dirname "$0")" || exit 9
echo "$@" >>record
case $1 in
  create) cp "$3" "script.$2"; touch "at.$2"; CLOUD_MACHINE=$2 setsid "./script.$2" >"said.$2" 2>&1 & echo "$2" ;;
  delete) test ! -e refuse || { echo "the cloud is busy" >&2; exit 4; }; rm -f "at.$2" ;;
  list) ls | sed -n 's/^at\.//p' ;;
  end) rm -f "at.$CLOUD_MACHINE" ;;
esac
)sh",
          0700);
  }
  std::string plan(std::string const& more) const {
    auto const cloud = "[\"" + at / "cloud" + "\", ";
    return "[pools.default]\nlauncher = \"command\"\nlist_interval = \"1s\"\nscale_delay = \"100ms\"\n" +
           ("start = " + cloud + "\"create\", \"{name}\", \"{script}\"]\n") +
           ("stop = " + cloud + "\"delete\", \"{id}\"]\n") + ("list = " + cloud + "\"list\"]\n") + more;
  }
  std::string end() const { return "end = [\"" + at / "cloud" + "\", \"end\"]\n"; }
  std::size_t recorded(std::string const& what) const {
    std::ifstream file(at / "record");
    std::size_t count = 0;
    for (std::string line; std::getline(file, line);) count += line.starts_with(what) ? 1 : 0;
    return count;
  }
};

TEST_CASE("machines of a cloud are started for calls, and deleted when they have nothing to do") {
  cloud_site site;
  auto hub = site.hub(site.plan("max = 4\n"), {"once"});
  auto const line = hub.read_line_past_log();
  REQUIRE_MESSAGE(line.starts_with("ran in "), line << "\n" << hub.read_all());
  CHECK(watched_process(process_of(line)).ends_within(std::chrono::seconds(60)));
  hub.read_all();
  names_in(site.at / "", "at.", 0);
  CHECK(site.recorded("create") != 0);
  CHECK(site.recorded("delete") == site.recorded("create"));
}

TEST_CASE("a call that comes while a machine is given back waits for the next one, and is answered") {
  cloud_site site;
  auto hub = site.hub(site.plan("max = 1\n"), {"again"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("over") != std::string::npos, said);
  CHECK_MESSAGE(said.find("failed") == std::string::npos, said);
  CHECK(site.recorded("create") == 3);
}

TEST_CASE("a hub that is killed leaves machines that end themselves, and not one more than may be paid for") {
  cloud_site site;
  auto hub = site.hub(
      site.plan("max = 10\ncost_per_hour = 2.5\nmax_cost_per_hour = 10\nsilence = \"2s\"\n" + site.end()),
      {"stay", "5", site.at / ""});
  auto const workers = names_in(site.at / "", "worker.", 4);
  hub.kill();
  for (auto const& worker : workers)
    CHECK(watched_process(std::stoi(worker)).ends_within(std::chrono::seconds(60)));
  names_in(site.at / "", "at.", 0);
  CHECK(site.recorded("create") == 4);
  CHECK(site.recorded("end") == 4);
}

TEST_CASE("a worker that does not come in time is told with what was run and printed") {
  cloud_site site;
  auto hub = site.hub(
      "[pools.default]\nlauncher = \"command\"\nstart_timeout = \"100ms\"\n"
      "start = [\"sh\", \"-c\", \"echo waits for a licence\", \"{script}\"]\nmax = 1\n",
      {"once"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("worker_start_failed: no worker could be started") != std::string::npos, said);
  CHECK(said.find("the worker did not connect in time; it (yonder-") != std::string::npos);
  CHECK(said.find("It was started by\n$ sh -c 'echo waits for a licence' /") != std::string::npos);
  CHECK(said.find("\nwaits for a licence\n") != std::string::npos);
  CHECK(said.find("\nIt was to come to tcp://127.0.0.1:") != std::string::npos);
}

#ifdef YONDER_COMMAND
TEST_CASE(
    "a worker of the build that calls ask for is started by its name: rolling back starts the old one") {
  cloud_site site;
  std::string const builds[]{YONDER_BUILD_ONE, YONDER_BUILD_TWO};
  fs::create_directories(site.at / "builds");
  for (auto const& one : builds) {
    program asked(one, {}, {"--yonder-build"});
    auto const build = asked.read_line();
    CHECK(asked.wait().status == 0);
    REQUIRE(build.size() == 16);
    fs::create_directory_symlink(fs::path(one).parent_path(), site.at / "builds/" + build);
  }
  fs::create_directory_symlink(fs::path(builds[1]).parent_path(), site.at / "builds/any");  // the newest
  write(site.at / "launch.toml", site.plan("max = 4\nscaledown_window = \"200ms\"\nworker = [\"" +
                                           site.at / "builds/{build}/e2e_build" + "\"]\n"));
  auto const door = "ipc://" + site.at / "door";
  program hub(YONDER_COMMAND, {"YONDER_LAUNCH=" + site.at / "launch.toml", "YONDER_KEYS=" + site.at / "keys"},
              {"hub", "--bind", "tcp://127.0.0.1:*", "--bind", door});
  for (auto const& [build, how, answer] : {std::tuple(0, "usual", "1 "), std::tuple(1, "usual", "2 "),
                                           std::tuple(0, "same", "1 "), std::tuple(1, "any", "2 ")}) {
    program caller(builds[build], {"YONDER_HUB=" + door, "YONDER_KEYS=" + site.at / "keys"}, {how, "once"});
    CHECK(caller.read_line_past_log() == answer);
  }
  hub.end();
  hub.wait();
}

TEST_CASE("a hub without tasks is told to say whose workers it is to start") {
  launching_site site;
  write(site.at / "launch.toml", "[pools.default]\nlauncher = \"ssh\"\nhosts = [\"near\"]\n");
  program hub(YONDER_COMMAND, {"YONDER_LAUNCH=" + site.at / "launch.toml", "YONDER_KEYS=" + site.at / "keys"},
              {"hub", "--bind", "tcp://127.0.0.1:*"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(said.find("the pool 'default': this program has no tasks; say which one has: worker = ") !=
                    std::string::npos,
                said);
  CHECK(hub.wait().status == 1);
}

TEST_CASE("a hub without tasks starts no processes of its own, in words") {
  launching_site site;
  write(site.at / "launch.toml", "[pools.default]\nlauncher = \"process\"\n");
  program hub(YONDER_COMMAND, {"YONDER_LAUNCH=" + site.at / "launch.toml", "YONDER_KEYS=" + site.at / "keys"},
              {"hub", "--bind", "tcp://127.0.0.1:*"});
  auto const said = hub.read_all();
  CHECK_MESSAGE(
      said.find("its workers would be processes of this program, which has no tasks") != std::string::npos,
      said);
  CHECK(hub.wait().status == 1);
}

TEST_CASE("whoever looks at the workers sees which GPUs one on an ssh host was given" *
          doctest::skip(!has_sshd())) {
  ssh_site site;
  auto const address = "ipc://" + site.at / "door";
  auto hub =
      site.hub(site.plan("environment = { CUDA_VISIBLE_DEVICES = \"3,7\" }\nscaledown_window = \"1h\"\n"),
               {"serve", address});
  auto const line = hub.read_line_past_log();
  REQUIRE_MESSAGE(line.starts_with("ran in "), line << "\n" << hub.read_all());
  program ps(YONDER_COMMAND, {}, {"ps", "--json", "--hub", address});
  auto const said = ps.read_all();
  ps.wait();
  CHECK_MESSAGE(said.find("\"gpus\": \"3,7\"") != std::string::npos, said);
  hub.end();
  hub.wait();
}

TEST_CASE("whoever looks at the pools sees why their workers do not come") {
  cloud_site site;
  auto const address = "ipc://" + site.at / "door";
  auto hub = site.hub(
      "[pools.default]\nlauncher = \"command\"\nstart = [\"sh\", \"-c\", \"echo no quota in this region >&2; "
      "exit 3\", \"{script}\"]\nmax = 1\n",
      {"serve", address});
  std::string said;
  while (said.find("3 starts in a row have failed; the last time (yonder-") == said.npos) {
    program ps(YONDER_COMMAND, {}, {"ps", "--hub", address});
    said = ps.read_all();
    ps.wait();
  }
  CHECK_MESSAGE(said.find("\nworkers of default do not come: ") != said.npos, said);
  CHECK_MESSAGE(said.find("\n  $ sh -c 'echo no quota in this region >&2; exit 3' /") != said.npos, said);
  CHECK_MESSAGE(said.find("\n  no quota in this region\n") != said.npos, said);
  program json(YONDER_COMMAND, {}, {"ps", "--json", "--hub", address});
  auto const object = json.read_all();
  CHECK_MESSAGE(object.find("no quota in this region", object.find("\"why\": \"")) != said.npos, object);
  json.wait();
  hub.end();
  CHECK(hub.read_all().find("over") != said.npos);
}
#endif

TEST_CASE("a worker that does not come in time, and cannot be stopped, is told so at once") {
  cloud_site site;
  write(site.at / "refuse", "");
  auto hub = site.hub(site.plan("max = 3\nstart_timeout = \"100ms\"\nworker = [\"true\"]\n"), {"once"});
  std::string line;
  while (!line.starts_with("failed: ") && line != "over") line = hub.read_line();
  fs::remove(site.at / "refuse");
  CHECK(line.find("the worker did not connect in time; it (yonder-") != std::string::npos);
  CHECK(line.find("of the pool 'default') could not be stopped:") != std::string::npos);
  CHECK(hub.read_all().find("the cloud is busy") != std::string::npos);
}

TEST_CASE("a stop that a cloud refuses is told, and tried until it is done") {
  cloud_site site;
  write(site.at / "refuse", "");
  auto hub = site.hub(site.plan("max = 1\n"), {"serve"});
  std::string line;
  while (line.find("could not be stopped") == std::string::npos && line != "over") line = hub.read_line();
  CHECK(line.find("of the pool 'default' could not be stopped, and may go on costing") != std::string::npos);
  fs::remove(site.at / "refuse");
  names_in(site.at / "", "at.", 0);
  CHECK(site.recorded("delete") >= 2);
  hub.end();
  CHECK(hub.wait().status == 0);
}

}  // namespace
}  // namespace e2e
