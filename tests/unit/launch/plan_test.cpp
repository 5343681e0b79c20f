// SPDX-License-Identifier: Apache-2.0
#include "src/launch/plan.hpp"

#include <doctest/doctest.h>

#include <string>

#include "transports/setup_error.hpp"
#include "yonder/error.hpp"

namespace {

using namespace std::chrono_literals;
namespace launch = yonder::launch;

std::string refusal(std::string const& text) {
  try {
    launch::parse_plan(text, "launch.toml");
  } catch (yonder::usage_error const& error) {
    CHECK(error.code() == yonder::errc::bad_configuration);
    return error.details().message;
  }
  return "it was taken";
}

TEST_CASE("a file says what code can say") {
  auto const plan = launch::parse_plan(R"toml(
address = "login1"

[pools.default]
launcher = "ssh"
hosts = ["near", { name = "far", slots = 2, gpus = ["0", "1"] }]
options = ["-p", "2222"]
worker = ["/opt/app", "--fast"]
min = 1
max = 3
buffer = 1
scaledown_window = "5m"
scale_delay = "1500ms"
start_timeout = "1h"
silence = "0.5h"

[pools.Translator]
launcher = "command"
start = ["cloud", "create", "{name}", "{script}"]
stop = ["cloud", "delete", "{id}"]
list = ["cloud", "list"]
id = "created ([a-z0-9-]+)"
end = ["shutdown", "-h", "now"]
list_interval = "10s"
cost_per_hour = 2
max_cost_per_hour = 8.5

[pools.here]
launcher = "process"
)toml",
                                       "launch.toml");
  CHECK(plan.address == "login1");
  REQUIRE(plan.pools.size() == 3);
  auto const find = [&](std::string const& name) {
    for (auto const& one : plan.pools)
      if (one.name == name) return one;
    FAIL("no pool " << name);
    return launch::pool{};
  };
  auto const first = find("default");
  auto const& hosts = std::get<launch::ssh>(first.by);
  CHECK(hosts.hosts.at(0).name == "near");
  CHECK(hosts.hosts.at(0).slots == 1);
  CHECK(hosts.hosts.at(1).gpus == std::vector<std::string>{"0", "1"});
  CHECK(hosts.options == std::vector<std::string>{"-p", "2222"});
  CHECK(first.worker == std::vector<std::string>{"/opt/app", "--fast"});
  CHECK(first.min == 1U);
  CHECK(first.max == 3U);
  CHECK(first.buffer == 1U);
  CHECK(first.scaledown_window == 5min);
  CHECK(first.scale_delay == 1500ms);
  CHECK(first.start_timeout == 1h);
  CHECK(first.silence == 30min);
  CHECK(launch::capacity_of(first) == std::size_t{3});
  auto const other = find("Translator");
  auto const& cloud = std::get<launch::command>(other.by);
  CHECK(cloud.stop == std::vector<std::string>{"cloud", "delete", "{id}"});
  CHECK(cloud.id == "created ([a-z0-9-]+)");
  CHECK(cloud.end == std::vector<std::string>{"shutdown", "-h", "now"});
  CHECK(cloud.list_interval == 10s);
  CHECK(launch::capacity_of(other) == std::size_t{4});
  CHECK(std::holds_alternative<launch::process>(find("here").by));
}

TEST_CASE("what is wrong with a file is said with its line and key") {
  CHECK(refusal("[pools.default\n").find("launch.toml:1: ") == 0);
  CHECK(refusal("a = 1\na = 2\n").find("launch.toml:2: ") == 0);
  CHECK(refusal("[pools.default]\nlauncher = \"\xff\"\n").find("launch.toml:2: ") == 0);
  CHECK(refusal("") == "launch.toml: it has no pool; it needs a table [pools.default], say");
  CHECK(refusal("pools = 3") == "launch.toml:1: 'pools' is not a table");
  CHECK(refusal("adress = 'x'\n[pools.default]\nlauncher = 'process'\n") ==
        "launch.toml:1: the key 'adress' is not known; there are address, pools");
  CHECK(refusal("[pools.default]\n") ==
        "launch.toml:1: 'pools.default.launcher' is missing: \"process\", \"ssh\", \"slurm\" or \"command\"");
  CHECK(refusal("[pools.default]\nlauncher = 'rsh'\n") ==
        "launch.toml:2: 'pools.default.launcher' is 'rsh'; there are \"process\", \"ssh\", \"slurm\" and "
        "\"command\"");
  std::string const ssh = "[pools.default]\nlauncher = 'ssh'\n";
  CHECK(refusal(ssh) == "launch.toml:1: the pool 'default': hosts: there is none");
  CHECK(refusal(ssh + "hosts = 'near'\n") ==
        "launch.toml:3: 'pools.default.hosts' is not a list, [\"a\", \"b\"]");
  CHECK(refusal(ssh + "hosts = [{ slots = 2 }]\n") ==
        "launch.toml:3: 'pools.default.hosts' has a host without a name");
  CHECK(refusal(ssh + "hosts = ['near', { name = 'far', slot = 2 }]\n") ==
        "launch.toml:3: the key 'pools.default.hosts.slot' is not known; there are gpus, name, slots");
  CHECK(refusal(ssh + "hosts = ['-oProxyCommand=evil']\n")
            .find("is no host; ssh would take it for an option") != std::string::npos);
  CHECK(refusal(ssh + "hosts = ['near']\nmax = -1\n") ==
        "launch.toml:4: 'pools.default.max' is not a whole number from 0 to 1000000");
  CHECK(refusal(ssh + "hosts = ['near']\nmax = 1.5\n").find("is not a whole number") != std::string::npos);
  for (char const* const time : {"5", "'5'", "'5 minutes'", "'-1s'", "''", "'nans'", "'1e30h'"})
    CHECK_MESSAGE(
        refusal(ssh + "hosts = ['near']\nsilence = " + time + "\n") ==
            "launch.toml:4: 'pools.default.silence' is not a time such as \"90s\", \"5m\" or \"1h\"",
        time);
  CHECK(refusal(ssh + "hosts = ['near']\nsilence = '1s'\n").find("silence: less than 2 s") !=
        std::string::npos);
  std::string const command = "[pools.cloud]\nlauncher = 'command'\n";
  CHECK(refusal(command + "start = ['a', '{nam}']\nmax = 1\n") ==
        "launch.toml:1: the pool 'cloud': start: '{nam}' has {nam}, which stands for nothing here; there are "
        "{name} "
        "{hub} {script} {cpus} {gpus} {gpu_memory_mb} {memory_mb}");
  CHECK(refusal(command + "start = ['{script}']\n").find("max: it is not set") != std::string::npos);
  CHECK(refusal(command + "start = ['{script}']\nmax = 1\nmax_cost_per_hour = 1\n")
            .find("cost_per_hour is not set") != std::string::npos);
  CHECK(refusal(command + "start = ['{script}']\ncost_per_hour = 3\nmax_cost_per_hour = 1\n")
            .find("not even one worker may be started") != std::string::npos);
}

TEST_CASE("a program travels by ssh, into a folder that has a path") {
  std::string const hosts = "[pools.default]\nlauncher = \"ssh\"\nhosts = [\"near\"]\n";
  auto const plan = launch::parse_plan(hosts + "carry = true\ncache = \"/scratch/me\"\nfiles = [\"model\"]\n",
                                       "launch.toml");
  CHECK(plan.pools[0].carry);
  CHECK(plan.pools[0].cache == "/scratch/me");
  CHECK(plan.pools[0].files == std::vector<std::string>{"model"});
  auto const shown = launch::description_of(plan);
  CHECK(shown.find("after 'PROGRAM', 'model' and its libraries have been carried to /scratch/me") !=
        std::string::npos);
  CHECK(refusal(hosts + "carry = true\nworker = ['/srv/{build}/app']\n")
            .find("carry: what is carried is one") != std::string::npos);
  CHECK(refusal(hosts + "carry = 1\n") == "launch.toml:4: 'pools.default.carry' is neither true nor false");
  CHECK(refusal(hosts + "carry = true\ncache = \"scratch\"\n").find("is no absolute path") !=
        std::string::npos);
  CHECK(refusal(hosts + "cache = \"/scratch\"\n").find("nothing is carried") != std::string::npos);
  CHECK(refusal(hosts + "files = [\"model\"]\n").find("files: nothing is carried") != std::string::npos);
  CHECK(refusal("[pools.default]\nlauncher = \"process\"\ncarry = true\n").find("carry: it is for") !=
        std::string::npos);
}

TEST_CASE("numbers, names and addresses that cannot be meant so are refused") {
  std::string const ssh = "[pools.default]\nlauncher = 'ssh'\nhosts = ['near']\n";
  CHECK(refusal(ssh + "min = 5\n") ==
        "launch.toml:1: the pool 'default': min: it is 5, and max, and what its launcher can start, allow 1");
  CHECK(refusal("[pools.x]\nlauncher = 'process'\nbuffer = 3\nmax = 2\n").find("buffer: it is 3, ") !=
        std::string::npos);
  CHECK(refusal(ssh + "worker = []\n") ==
        "launch.toml:4: 'pools.default.worker' names no program; leave it out where that is this very one");
  CHECK(refusal(ssh + "worker = ['']\n").find("worker: the program's name is empty") != std::string::npos);
  for (char const* const key : {"workers", "max_jobs"})
    CHECK(refusal("[pools.x]\nlauncher = 'slurm'\nmax = 1\n" + std::string(key) + " = 0\n")
              .find(std::string(key) + "' is 0; leave it out where there is no limit") != std::string::npos);
  for (char const* const key : {"partition", "account", "gres", "output"})
    CHECK(refusal("[pools.x]\nlauncher = 'slurm'\n" + std::string(key) + " = ''\n") ==
          "launch.toml:3: 'pools.x." + std::string(key) + "' is empty; leave it out where none is meant");
  CHECK(refusal("[pools.x]\nlauncher = 'slurm'\ntime = '0m'\n") ==
        "launch.toml:3: 'pools.x.time' is 0; leave it out where jobs last as their partition says");
  CHECK(refusal(ssh + "max = 0\n").find("max: it is 0, and no worker could ever be started") !=
        std::string::npos);
  for (char const* const good : {"login1", "tcp://gate:5555", "[::1]", "tcp://[::1]:80", "10.0.0.7"})
    CHECK_MESSAGE(refusal("address = '" + std::string(good) + "'\n" + ssh) == "it was taken", good);
  for (char const* const port : {"0", "65536", "99999"})
    CHECK(refusal("address = 'tcp://gate:" + std::string(port) + "'\n" + ssh).find("ports are 1 to 65535") !=
          std::string::npos);
  CHECK(refusal(ssh + "silence = '200000d'\n").find("is not a time such as") != std::string::npos);
  std::string const cloud = "[pools.x]\nlauncher = 'command'\nstart = ['{script}']\nmax = 1\n";
  CHECK(refusal(cloud + "cost_per_hour = nan\n").find("cost_per_hour: it is less than 0, or no number") !=
        std::string::npos);
  CHECK(refusal(cloud + "cost_per_hour = 1.0\nmax_cost_per_hour = nan\n").find("or no number") !=
        std::string::npos);
  CHECK(refusal(cloud + "end = ['']\n").find("end: the command's name is empty") != std::string::npos);
  CHECK(refusal("address = 'foo bar'\n" + ssh) == "launch.toml: address: 'foo bar' has a blank in it");
  for (char const* const bad :
       {"tcp://gate", "tcp://:80", "tcp://gate:", "tcp://gate:x", "gate:80", "ipc:///a"})
    CHECK_MESSAGE(
        refusal("address = '" + std::string(bad) + "'\n" + ssh).starts_with("launch.toml: address: '"), bad);
}

TEST_CASE("a path that only a shell would complete is refused, as none reads it") {
  std::string const ssh = "[pools.x]\nlauncher = 'ssh'\nhosts = ['near']\n";
  CHECK(refusal(ssh + "worker = ['~/app']\n") ==
        "launch.toml:1: the pool 'x': worker: '~/app' begins with '~', which only a shell replaces: say the "
        "whole path");
  CHECK(refusal(ssh + "worker = ['/opt/app', '~/data']\n") == "it was taken");  // the program reads that
  CHECK(refusal(ssh + "carry = true\nfiles = ['/a', '~/model']\n").find("files: '~/model' begins with") !=
        std::string::npos);
  CHECK(
      refusal("[pools.x]\nlauncher = 'slurm'\nmax = 1\noutput = '~/logs/%j'\n").find("output: '~/logs/%j'") !=
      std::string::npos);
  std::string const command = "[pools.x]\nlauncher = 'command'\nmax = 1\n";
  CHECK(refusal(command + "start = ['~/bin/start', '{script}']\n").find("start: '~/bin/start'") !=
        std::string::npos);
  CHECK(refusal(command + "start = ['sh', '-c', '~/bin/start $0', '{script}']\nend = ['~/bin/halt']\n")
            .find("end: '~/bin/halt'") != std::string::npos);
}

TEST_CASE("a file that is not there is said to be so") {
  CHECK_THROWS_WITH_AS(launch::plan_of_file("/"), doctest::Contains("launch: '/' is a folder"),
                       yonder::usage_error);
  CHECK_THROWS_WITH_AS(launch::plan_of_file("/no/such/launch.toml"),
                       doctest::Contains("launch: '/no/such/launch.toml' cannot be read"),
                       yonder::usage_error);
}

TEST_CASE("plans in code are held against the same rules") {
  CHECK(launch::fault_of(launch::plan_options{}) == "there is no pool");
  launch::pool const one{.by = launch::ssh{.hosts = {{.name = "near"}}}};
  CHECK(launch::fault_of(launch::plan_options{.pools = {one}}).empty());
  CHECK(launch::fault_of(launch::plan_options{.pools = {one, one}}) == "there are two pools 'default'");
  CHECK_THROWS_AS(launch::plan_of({}), yonder::usage_error);
}

TEST_CASE("what goes into an order is one line") {
  launch::pool one{.by = launch::ssh{.hosts = {{.name = "near"}}}};
  CHECK(launch::fault_of(launch::plan_options{.address = "login1\nend x", .pools = {one}}) ==
        "address: 'login1\nend x' is more than one line");
  one.by = launch::command{.start = {"{script}"}, .end = {"sh", "-c", "sync\nhalt"}};
  one.max = 1;
  CHECK(launch::fault_of(launch::plan_options{.pools = {one}}) ==
        "the pool 'default': end: 'sync\nhalt' is more than one line");
}

TEST_CASE("of processes of this machine a plan says how many there are, and nothing else") {
  launch::pool one{.min = 1, .max = 2, .buffer = 1, .scaledown_window = 5s};
  CHECK(launch::fault_of(launch::plan_options{.pools = {one}}).empty());
  auto const terms = launch::plan_of({.pools = {one}})->pools();
  REQUIRE(terms.size() == 1);
  CHECK_FALSE(terms[0].elsewhere);
  CHECK(terms[0].min == 1U);
  CHECK(terms[0].max == 2U);
  CHECK(terms[0].buffer == 1U);
  CHECK(terms[0].scaledown_window == 5'000'000'000);
  CHECK(launch::description_of({.pools = {one}}) ==
        "# the pool 'default': processes of this machine, at most 2\n");
  one.silence = 5s;
  CHECK(launch::fault_of(launch::plan_options{.pools = {one}}) ==
        "the pool 'default': silence: it is for workers elsewhere, and these are processes of this program, "
        "here");
  for (char const* const key : {"worker = ['app']", "scale_delay = '2s'", "start_timeout = '5s'",
                                "silence = '5s'", "cost_per_hour = 1"})
    CHECK(refusal("[pools.default]\nlauncher = 'process'\n" + std::string(key))
              .find(": it is for workers elsewhere") != std::string::npos);
}

TEST_CASE("what is to be around a worker's program there is said by its pool") {
  auto const plan = launch::parse_plan(
      "[pools.default]\nlauncher = 'ssh'\nhosts = ['near']\nworker = ['/opt/app']\n"
      "environment = { OMP_NUM_THREADS = '4', WORDS = 'two of them' }\nbefore = ['module load cuda']\n",
      "launch.toml");
  CHECK(plan.pools[0].environment == std::vector<std::string>{"OMP_NUM_THREADS=4", "WORDS=two of them"});
  CHECK(plan.pools[0].before == std::vector<std::string>{"module load cuda"});
  auto const text = launch::description_of(plan);
  CHECK_MESSAGE(text.find("exec env OMP_NUM_THREADS=4 ") != std::string::npos, text);
  CHECK(text.find("module load cuda") < text.find("/opt/app --yonder-worker -"));
  auto const fault = [](std::vector<std::string> environment, std::vector<std::string> before) {
    return launch::fault_of(launch::plan_options{.pools = {{.by = launch::ssh{.hosts = {{"near"}}},
                                                            .environment = std::move(environment),
                                                            .before = std::move(before)}}});
  };
  CHECK(fault({"A_1=x", "B="}, {"true", "--"}).empty());
  for (char const* const bad : {"1A=x", "=x", "A B=x", "A"})
    CHECK(fault({bad}, {}).find("is no name of a variable") != std::string::npos);
  CHECK(fault({"A=x\ny"}, {}) == "the pool 'default': environment: the value of 'A' is more than one line");
  for (char const* const bad : {"", "a\nb"})
    CHECK(fault({}, {bad}).find("is no line of a shell") != std::string::npos);
  CHECK(refusal("[pools.default]\nlauncher = 'ssh'\nhosts = ['near']\nenvironment = { A = 4 }\n") ==
        "launch.toml:4: 'pools.default.environment' has a value for A that is not a text in quotes");
  CHECK(refusal("[pools.default]\nlauncher = 'process'\nbefore = ['true']\n")
            .find("before: it is for workers elsewhere") != std::string::npos);
}

TEST_CASE("no GPU is given out twice, and no address has what no host's name has") {
  auto const fault = [](std::vector<launch::pool> pools, std::string address = {}) {
    return launch::fault_of(launch::plan_options{.address = std::move(address), .pools = std::move(pools)});
  };
  auto const pool = [](std::string name, std::vector<launch::ssh_host> hosts) {
    return launch::pool{.name = std::move(name), .by = launch::ssh{.hosts = std::move(hosts)}};
  };
  CHECK(fault({pool("a", {{"near", 1, {"0", "1"}}, {"far", 1, {"0"}}}), pool("b", {{"near", 1, {"2"}}})})
            .empty());
  CHECK(fault({pool("a", {{"near", 1, {"0", "0"}}})}) ==
        "the pool 'a': hosts: the GPU 0 of 'near' is given out twice");
  CHECK(fault({pool("a", {{"near", 1, {"0"}}}), pool("b", {{"near", 1, {"1", "0"}}})}) ==
        "the pool 'b': hosts: the GPU 0 of 'near' is given out by the pool 'a', too");
  for (char const* const bad : {"h/x", "tcp://user@h:5", "tcp://h/x:5"})
    CHECK(fault({pool("a", {{"near"}})}, bad).find("in it, which no host's name has") != std::string::npos);
  for (char const* const good : {"h-1.example", "tcp://[fe80::1%eth0]:5", "[::1]", "tcp://10.0.0.1:5"})
    CHECK_MESSAGE(fault({pool("a", {{"near"}})}, good).empty(), good);
}

TEST_CASE("what a plan would run is shown, pool by pool") {
  auto const text = launch::description_of(launch::parse_plan(R"toml(
[pools.default]
launcher = "ssh"
hosts = ["near", "far"]
worker = ["/opt/app"]
[pools.cloud]
launcher = "command"
start = ["create", "{name}", "{script}"]
end = ["shutdown", "-h", "now"]
max = 3
[pools.here]
launcher = "process"
)toml",
                                                              "launch.toml"));
  CHECK(text.find("# the pool 'default', at most 2 workers\nssh -T ") != std::string::npos);
  CHECK(text.find(" -- far 'exec /opt/app --yonder-worker -'\n") != std::string::npos);
  CHECK(text.find("# the pool 'cloud', at most 3 workers\ncreate yonder-NAME-1 yonder-NAME-1.sh\n") !=
        std::string::npos);
  CHECK(text.find("end shutdown\nend -h\nend now\n") != std::string::npos);
  CHECK(text.find("# the pool 'here': processes of this machine\n") != std::string::npos);
}

TEST_CASE("workers elsewhere look for the hub where they can reach it") {
  auto const address = [](std::string const& wanted, std::string const& bound) {
    return launch::reachable_address(wanted, {"ipc:///run/hub", bound}, "this-host");
  };
  CHECK(address("", "tcp://0.0.0.0:5555") == "tcp://this-host:5555");
  CHECK(address("", "tcp://[::]:5555") == "tcp://this-host:5555");
  CHECK(address("", "tcp://10.0.0.7:5555") == "tcp://10.0.0.7:5555");
  CHECK(address("login1", "tcp://0.0.0.0:5555") == "tcp://login1:5555");
  CHECK(address("tcp://gate:80", "tcp://0.0.0.0:5555") == "tcp://gate:80");
  CHECK_THROWS_AS(address("", "ipc:///run/other"), yonder::transport::setup_error);
}

TEST_CASE("hubs' names differ, and are what schedulers and clouds take") {
  auto const name = launch::drawn_hub_name();
  CHECK(name != launch::drawn_hub_name());
  CHECK(name.size() == 15);
  CHECK(name.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789-") == std::string::npos);
}

}  // namespace
