// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "src/platform/process.hpp"
#include "src/platform/unique_fd.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "tests/e2e/scheme.hpp"
#include "tests/e2e/tasks.hpp"
#include "transports/zmq/enrolment.hpp"
#include "transports/zmq/keys.hpp"

using namespace std::chrono_literals;
namespace fs = std::filesystem;

// Whom a hub lets in, and as what.
namespace e2e::key_roles_tests {
namespace {

yonder::platform::child_process start_worker(std::string const& address, std::string const& keys) {
  return yonder::platform::spawn({.path = YONDER_REMOTE_WORKER,
                                  .arguments = {"remote_worker", "--yonder-worker", address},
                                  .environment = {"YONDER_KEYS=" + keys},
                                  .output = -1,
                                  .inherited = {}});
}

template <class Action>
yonder::errc refused(Action action) {
  try {
    action();
  } catch (yonder::error const& error) {
    return error.code();
  }
  return yonder::errc{};
}

// A hub within this process, whose counts are seen.
struct keyed_hub {
  folder place;
  std::string const keys = place / "keys";
  yonder::runtime hub;

  keyed_hub() : hub((yonder::transport::keygen(keys), options(keys))) {}
  static yonder::runtime_options options(std::string const& keys) {
    return {.max = 0, .bind = {over("tcp://127.0.0.1:*")}, .keys = keys, .is_current = false};
  }
  std::string address() const { return hub.addresses().front(); }
  std::string key_for(std::string const& name, yonder::transport::peer_rights rights) {
    yonder::transport::issue_files(keys, {.name = name, .rights = rights}, place / name);
    return place / name;
  }
  yonder::runtime_options client(std::string const& with) const {
    return {.hub = address(), .keys = with, .connect_timeout = 20s, .is_current = false};
  }
};

}  // namespace

TEST_CASE("promises 16 and 20: each role does over tcp what is its own, and nothing else reaches a worker") {
  using yonder::transport::key_roles;
  keyed_hub here;
  auto good = start_worker(here.address(), here.keys);
  {
    yonder::runtime client(here.client(here.keys));
    REQUIRE(task::add.on(client).remote(1, 2) == 3);
  }
  // What has run: of a map some may be given to the worker, called back and given again before they begin.
  auto const ran = [&] {
    std::uint64_t count = 0;
    for (auto const& one : here.hub.snapshot().tasks) {
      CHECK(one.calls == one.succeeded);  // none that failed on a worker, or still does
      count += one.calls;
    }
    return count;
  };
  auto const before = ran();
  std::uint64_t allowed = 0;
  for (auto const& role : key_roles) {
    CAPTURE(role.name);
    yonder::transport::peer_rights rights{.calls = false, .works = false};
    rights.*(role.right) = true;
    bool const calls = rights.calls || rights.operates;
    rights.calls = calls;
    auto const keys = here.key_for(std::string(role.name), rights);
    auto options = here.client(keys);
    options.as_operator = rights.operates;
    // A worker's folder has no client.key: it comes with its own.
    if (!calls) fs::copy_file(keys + "/worker.key", keys + "/client.key");
    yonder::runtime client(options);
    CHECK(refused([&] { (void)task::add.on(client).remote(1, 2); }) ==
          (calls ? yonder::errc{} : yonder::errc::unauthorized));
    std::vector<int> const many(100, 1);
    int sum = 0;
    CHECK(refused([&] {
            for (int const n : task::twice.on(client).map(many)) sum += n;
          }) == (calls ? yonder::errc{} : yonder::errc::unauthorized));
    CHECK(sum == (calls ? 200 : 0));
    CHECK(refused([&] { (void)client.pools(); }) ==
          (rights.operates ? yonder::errc{} : yonder::errc::unauthorized));
    if (calls) allowed += 101;
    if (!rights.works) {
      fs::remove(keys + "/worker.key");
      if (rights.operates) fs::rename(keys + "/operator.key", keys + "/client.key");
      auto worker = start_worker(here.address(), keys);
      auto const end = worker.wait();
      CHECK(end.status != 0);
    }
  }
  CHECK(ran() == before + allowed);
  CHECK(here.hub.snapshot().workers == 1);
  good.kill(SIGKILL);
  good.wait();
}

TEST_CASE("a worker's key lets its tasks call, from within what they run") {
  keyed_hub here;
  auto const keys = here.key_for("worker", {.calls = false, .works = true});
  auto one = start_worker(here.address(), keys), other = start_worker(here.address(), keys);
  yonder::runtime client(here.client(here.keys));
  // One waits while the other answers.
  while (here.hub.snapshot().workers < 2) (void)task::shout.on(client).remote("are both there?");
  CHECK(task::nested.on(client).remote() == shout("from a worker"));
  for (auto* const worker : {&one, &other}) {
    worker->kill(SIGKILL);
    worker->wait();
  }
}

TEST_CASE("a key that is revoked ends what is connected with it, and others go on") {
  keyed_hub here;
  auto const of_client = here.key_for("ada", {.calls = true, .works = false});
  auto const of_worker = here.key_for("box", {.calls = false, .works = true});
  auto worker = start_worker(here.address(), of_worker);
  yonder::runtime ada(here.client(of_client));
  yonder::runtime other(here.client(here.keys));
  CHECK(task::add.on(ada).remote(1, 2) == 3);
  CHECK(task::add.on(other).remote(1, 2) == 3);

  auto waiting = task::wait_for_stop.on(ada).spawn();
  CHECK(yonder::transport::revoke_keys(here.keys, "ada") == 1);
  CHECK(refused([&] { (void)waiting.get(); }) == yonder::errc::unauthorized);
  CHECK(refused([&] { (void)task::add.on(ada).remote(1, 2); }) == yonder::errc::unauthorized);
  CHECK(task::add.on(other).remote(1, 2) == 3);

  CHECK(yonder::transport::revoke_keys(here.keys, "box") == 1);
  CHECK(worker.wait().status != 0);  // and no other one is started there
  CHECK(here.hub.snapshot().workers == 0);
}

#ifdef YONDER_COMMAND
namespace {

struct said {
  std::string text;
  int status = 0;
};
constexpr yonder::task<[](std::string const&, std::string const&, bool) { return 0; }, "e2e.say"> say_there;

said run(std::string const& arguments) {
  said result;
  auto* const stream = ::popen((std::string(YONDER_COMMAND " ") + arguments + " 2>&1").c_str(), "r");
  REQUIRE(stream != nullptr);
  for (int c = 0; (c = std::fgetc(stream)) != EOF;) result.text += static_cast<char>(c);
  result.status = WEXITSTATUS(::pclose(stream));
  return result;
}

// The address, with what stands behind it, of a line that is to be pasted.
std::string pasted(std::string const& line) {
  auto const begin = line.find(over("tcp://"));
  REQUIRE(begin != std::string::npos);
  return line.substr(begin, line.find(' ', begin) - begin);
}

std::string text_of(fs::path const& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

}  // namespace

TEST_CASE(
    "a hub on a bare machine makes its keys, and two lines that are pasted elsewhere are all that is "
    "needed") {
  folder const place;
  auto const keys = place / "hub/keys";
  program hub(YONDER_COMMAND, {"YONDER_KEYS=" + keys}, {"hub", "--bind", over("tcp://127.0.0.1:*")});
  auto const address = hub.read_line();
  CHECK(hub.read_line().empty());
  CHECK(hub.read_line().find("once, within ten minutes") != std::string::npos);
  auto const for_worker = hub.read_line(), for_client = hub.read_line();
  CHECK(for_worker.find("  app --yonder-worker " + address + "#") == 0);
  CHECK(for_client.find("  YONDER_HUB=" + address + "#") == 0);

  auto worker = start_worker(pasted(for_worker), place / "box");
  yonder::runtime client(
      {.hub = pasted(for_client), .keys = place / "laptop", .connect_timeout = 20s, .is_current = false});
  CHECK(task::add.on(client).remote(1, 2) == 3);
  auto const token = pasted(for_worker).substr(address.size());
  for (auto const pid : {worker.pid(), static_cast<pid_t>(task::process.on(client).remote())})
    CHECK(text_of("/proc/" + std::to_string(pid) + "/cmdline").find(token) == std::string::npos);
  // The same line again, there; and on a third machine.
  yonder::runtime again(
      {.hub = pasted(for_client), .keys = place / "laptop", .connect_timeout = 20s, .is_current = false});
  CHECK(task::add.on(again).remote(2, 2) == 4);
  CHECK(refused([&] {
          yonder::runtime thief({.hub = pasted(for_client), .keys = place / "thief", .is_current = false});
        }) == yonder::errc::unauthorized);

  auto const where = " --keys " + keys;
  auto const listed = run("keys list" + where);
  CHECK(listed.text.find("NAME") == 0);
  CHECK(listed.text.find("\nworker-1    worker         key    any   any   never") != std::string::npos);
  CHECK(listed.text.find("\nclient-1    client         key    any   any   never") != std::string::npos);
  CHECK(run("keys list --json" + where)
            .text.find("{\"name\": \"worker-1\", \"role\": \"worker\", \"state\": \"key\", "
                       "\"expires\": null, \"max_jobs\": 0, \"max_gpus\": 0, \"key\": \"") !=
        std::string::npos);
  CHECK(run("keys revoke nobody" + where).status == 5);
  CHECK(run("keys revoke worker-1" + where).status == 0);
  CHECK(worker.wait().status != 0);

  // A short-lived worker's key, by a line of its own.
  auto const issued = run("keys issue box-2 --expires 1h --hub " + address + where);
  CHECK(issued.status == 0);
  auto second = start_worker(pasted(issued.text.substr(0, issued.text.size() - 1)), place / "box-2");
  CHECK(task::add.on(client).remote(3, 3) == 6);
  CHECK(run("keys issue box-2 --hub " + address + where).text.find("has a key 'box-2' already") !=
        std::string::npos);
  CHECK(run("keys issue x --role boss" + where).text.find("there are client, worker and operator") !=
        std::string::npos);

  // An operator elsewhere.
  auto const boss = run("keys issue boss --role operator --hub " + address + where);
  CHECK(boss.text.find("YONDER_HUB=" + address + "#") == 0);  // which stands in no list of processes
  CHECK(boss.text.find(" yonder ps\n") != std::string::npos);
  auto const seen = run("ps --hub '" + pasted(boss.text) + "' --keys " + (place / "desk"));
  CHECK(seen.status == 0);
  CHECK(run("ps --hub " + address + " --keys " + (place / "laptop")).status ==
        4);  // it has no operator's key
  // The line that a program was started with is used up, and good for whoever has its key.
  auto const of_laptop = " --keys " + (place / "laptop");
  auto const no_call = "explain " + std::string(32, '0');
  CHECK(run(no_call + " --hub '" + pasted(for_client) + "'" + of_laptop).status == 5);
  auto const fresh = run("keys issue desk-2 --role client --hub " + address + where);
  CHECK(run(no_call + " --hub '" + pasted(fresh.text) + "' --keys " + (place / "desk-2")).status == 5);
  CHECK(fs::exists(place / "desk-2/client.key"));
  // An operator's makes one of a client.
  auto const promoted = run("keys issue boss-2 --role operator --hub " + address + where);
  CHECK(run("ps --hub '" + pasted(promoted.text) + "'" + of_laptop).status == 0);
  second.kill(SIGKILL);
  second.wait();
  hub.end();
  CHECK(hub.wait().status == 0);
}

TEST_CASE("a hub that has its keys prints nothing but its addresses where no person reads along") {
  folder const place;
  yonder::transport::keygen(place / "keys");
  program hub(YONDER_COMMAND, {}, {"hub", "--bind", over("tcp://127.0.0.1:*"), "--keys", place / "keys"});
  CHECK(hub.read_line().find(over("tcp://127.0.0.1:")) == 0);
  hub.end();
  CHECK(hub.read_all().empty());
}

TEST_CASE("a token on a command line is wiped before the hub is asked, and no message quotes one") {
  keyed_hub here;
  yonder::platform::unique_fd const silent(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in at{};
  at.sin_family = AF_INET;
  at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof at;
  REQUIRE(::bind(silent.get(), reinterpret_cast<sockaddr*>(&at), size) == 0);
  REQUIRE(::listen(silent.get(), 1) == 0);
  REQUIRE(::getsockname(silent.get(), reinterpret_cast<sockaddr*>(&at), &size) == 0);
  auto const hub = over("tcp://127.0.0.1:") + std::to_string(ntohs(at.sin_port));
  auto const token =
      yonder::transport::issue_token(here.keys, {.name = "boss", .rights = {true, false, true}}, 10min);
  folder const place;
  for (auto const& arguments :
       {std::vector<std::string>{"ps", "--hub", hub + "#" + token, "--keys", place / "a"},
        {"ps", "--hub=" + hub + "#" + token, "--keys", place / "b"}}) {
    program command(YONDER_COMMAND, {}, arguments);
    yonder::platform::unique_fd const asks(::accept(silent.get(), nullptr, nullptr));
    auto const line = text_of("/proc/" + std::to_string(command.pid()) + "/cmdline");
    CHECK(line.find(hub) != std::string::npos);
    CHECK(line.find(token) == std::string::npos);
    command.kill();
    command.wait();
  }
  auto const words_of = [&](std::string const& address, std::string const& journal) {
    yonder::runtime_options options{.hub = address, .keys = here.keys, .is_current = false};
    options.journal = journal;
    try {
      yonder::runtime const none(options);
    } catch (yonder::error const& error) {
      return std::string(error.what());
    }
    return std::string("nothing was refused");
  };
  CHECK(words_of(hub + "#" + token, place / "j").find("connects to one at '" + hub + "'") !=
        std::string::npos);
  for (std::string const mistyped :
       {"tpc://127.0.0.1:1", "TCP://127.0.0.1:1", "127.0.0.1:1", "tcp://127.0.0.1"}) {
    CAPTURE(mistyped);
    auto const said = words_of(mistyped + "#" + token, {});
    CHECK(said.find(mistyped) != std::string::npos);
    CHECK(said.find(token) == std::string::npos);
  }
}

TEST_CASE("what the command prints of a call moves no terminal's cursor, and its JSON is UTF-8") {
  keyed_hub here;
  yonder::runtime client(here.client(here.keys));
  std::string const key = "\x1b[2J\xff\xed\xa0\x80 \xc3\xa9\nstate  forged";
  auto call = task::wait_for_stop.on(client).with({.order_key = key}).spawn();
  auto const asked = to_string(call.id()) + " --hub " + here.address() + " --keys " + here.keys;
  CHECK_FALSE(call.get_for(0s));
  said seen;
  do seen = run("explain " + asked);
  while (seen.status == 5);  // it is on its way
  CHECK(seen.text.find("\\x1B[2J\\xFF\\xED\\xA0\\x80 \xc3\xa9\n  ") != std::string::npos);
  CHECK(seen.text.find("\nstate  forged") == std::string::npos);
  CHECK(seen.text.find("  state  forged\n") != std::string::npos);
  CHECK(run("explain --json " + asked)
            .text.find("\\u001b[2J\\ufffd\\ufffd\\ufffd\\ufffd \xc3\xa9\\u000astate  forged\"") !=
        std::string::npos);
}

struct oddity {
  explicit oddity(int) {}
  int get() { return 1; }
};
inline constexpr yonder::service<oddity(int), "odd\x1b]0;title\x07\n\"name\""> odd;
inline constexpr yonder::method<&oddity::get, "odd.get"> get_odd;

TEST_CASE("a service's name, which its caller gives, moves no operator's cursor") {
  keyed_hub here;
  auto const where = " --hub " + here.address() + " --keys " + here.keys;
  yonder::runtime client(here.client(here.key_for("eve", {.calls = true, .works = false})));
  auto call = get_odd.on(odd(3)).on(client).spawn();
  said seen;
  do seen = run("ps" + where);
  while (seen.text.find("odd") == std::string::npos);
  CHECK(seen.text.find("odd\\x1B]0;title\\x07\\x0A\"name\"") != std::string::npos);
  CHECK(seen.text.find('\x1b') == std::string::npos);
  auto const refused_change = run("hub scale nosuch --min 1" + where);
  CHECK(refused_change.text.find('\x1b') == std::string::npos);
}

TEST_CASE("yonder worker runs the tasks of libraries, and one that cannot be loaded is said") {
  keyed_hub here;
  program worker(YONDER_COMMAND, {"YONDER_KEYS=" + here.keys},
                 {"worker", "--load", YONDER_TASK_LIBRARY, here.address()});
  yonder::runtime client(here.client(here.keys));
  CHECK(task::add.on(client).remote(1, 2) == 3);
  worker.end();
  CHECK(worker.wait().status == 0);
  auto const missing = run("worker --load /nowhere/libtasks.so " + here.address());
  CHECK(missing.status == 2);
  CHECK(missing.text.find("/nowhere/libtasks.so") != std::string::npos);
}

TEST_CASE("yonder explain says where a call is and why, cancel ends it, and ps says who runs what") {
  keyed_hub here;
  auto const where = " --hub " + here.address() + " --keys " + here.keys;
  auto const ada = here.key_for("ada", {.calls = true, .works = false});
  auto const bob = here.key_for("bob", {.calls = true, .works = false});
  yonder::runtime client(here.client(ada));
  auto call = task::wait_for_stop.on(client).spawn();
  auto const id = to_string(call.id());
  CHECK_FALSE(call.get_for(0s));
  said waits;
  do waits = run("explain " + id + where);
  while (waits.status == 5);  // it is on its way
  CHECK(waits.text.find("call        " + id + "\ntask        e2e::wait_for_stop\nstate       queued\n") == 0);
  CHECK(waits.text.find("\nwhy         none is connected\n") != std::string::npos);
  auto const of_ada = " --hub " + here.address() + " --keys " + ada;
  auto const of_bob = " --hub " + here.address() + " --keys " + bob;
  CHECK(run("explain --json " + id + of_ada).text.find("{\"call\": \"" + id + "\", \"task\": ") == 0);
  CHECK(run("explain " + id + of_bob).status == 5);
  CHECK(run("cancel " + id + of_bob).status == 5);
  CHECK(run("explain soon" + where).status == 2);
  CHECK(run("explain " + std::string(32, 'g') + where).status == 2);

  auto worker = start_worker(here.address(), here.keys);
  said runs;
  do runs = run("ps" + where);
  while (runs.text.find(" runs ") == std::string::npos);
  CHECK(runs.text.find("\nWORKER ") != std::string::npos);
  CHECK(runs.text.find(id) != std::string::npos);
  CHECK(run("ps --live" + where).text.find('\x1b') == std::string::npos);  // a pipe gets it once, and plain
  auto const json = run("ps --json" + where);
  CHECK(json.text.find("\"workers\": [{\"name\": \"") != std::string::npos);
  CHECK(json.text.find("\"state\": \"runs\", \"calls\": \"" + id + "\"") != std::string::npos);
  CHECK(run("ps" + of_ada).status == 4);
  CHECK(run("ps --hub " + over("tcp://127.0.0.1:9") + " --keys " + here.keys).status == 3);

  CHECK(run("cancel " + id + where).status == 0);
  CHECK(refused([&] { (void)call.get(); }) == yonder::errc::cancelled);
  CHECK(run("cancel " + id + where).status == 5);
  worker.kill(SIGKILL);
  worker.wait();
}

TEST_CASE("yonder logs prints what a call printed, however it did, for who made it") {
  keyed_hub here;
  auto const as = [&](std::string const& keys) { return " --hub " + here.address() + " --keys " + keys; };
  auto const ada = here.key_for("ada", {.calls = true, .works = false});
  auto const bob = here.key_for("bob", {.calls = true, .works = false});
  yonder::runtime client(here.client(ada));
  auto worker = start_worker(here.address(), here.keys);
  auto const says = say_there.on(client);
  auto const print = [&](std::string const& how, std::string const& text) {
    auto call = says.spawn(how, text, false);
    call.get();
    return to_string(call.id());
  };
  auto const first = print("cout", "one\n");
  CHECK(run("logs " + first + as(ada)).text == "one\n");
  CHECK(run("logs " + print("printf", "not a whole line") + as(ada)).text == "not a whole line\n");
  CHECK(run("logs " + print("child", "of a child") + as(here.keys)).text == "of a child\n");
  CHECK(run("logs --raw " + print("child", "no more") + as(ada)).text == "no more");
  CHECK(run("logs " + first + as(bob)).status == 5);
  CHECK(run("logs" + as(bob)).text.empty());
  CHECK(run("logs soon" + as(bob)).status == 2);
  CHECK(run("logs" + as(here.keys)).text.find(first + "  one\n") != std::string::npos);

  auto const wild = print("stderr", "\x1b[2J\xff \xc3\xa9 \xe2\x80\xae\n");
  CHECK(run("logs " + wild + as(ada)).text == "\\x1B[2J\\xFF \xc3\xa9 \\xE2\\x80\\xAE\n");
  CHECK(run("logs --raw " + wild + as(ada)).text == "\x1b[2J\xff \xc3\xa9 \xe2\x80\xae\n");
  auto const json = run("logs --json " + wild + as(ada)).text;
  CHECK(json.find("{\"call\": \"" + wild + "\", \"calls\": 1, \"worker\": \"") == 0);
  CHECK(json.find("\"at\": 0, \"text\": \"\\u001b[2J\\ufffd \xc3\xa9") != std::string::npos);

  auto const silent = print("not at all", "");
  CHECK(run("logs " + silent + as(ada)).status == 5);  // it has ended, and left nothing
  worker.kill(SIGKILL);
  worker.wait();
}

TEST_CASE("yonder logs -f goes along with a call to its end") {
  keyed_hub here;
  yonder::runtime client(here.client(here.keys));
  auto worker = start_worker(here.address(), here.keys);
  auto call = say_there.on(client).spawn("cout", "begun\n", true);
  auto const id = to_string(call.id());
  while (run("explain " + id + " --hub " + here.address() + " --keys " + here.keys).status == 5) continue;
  program follows(YONDER_COMMAND, {}, {"logs", "-f", id, "--hub", here.address(), "--keys", here.keys});
  CHECK(follows.read_line() == "begun");
  call.cancel();
  CHECK(follows.read_all().empty());
  CHECK(follows.wait().status == 0);
  worker.kill(SIGKILL);
  worker.wait();
}

TEST_CASE(
    "of a call that floods the latest is kept, and how much is not is said; its neighbours have theirs") {
  keyed_hub here;
  auto const where = " --hub " + here.address() + " --keys " + here.keys;
  yonder::runtime client(here.client(here.keys));
  // Nobody reads what it prints.
  program worker(YONDER_REMOTE_WORKER, {"YONDER_KEYS=" + here.keys}, {"--yonder-worker", here.address()});
  auto const says = say_there.on(client);
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < 40; ++i) calls.push_back(says.spawn("stderr", std::to_string(i) + "\n", false));
  calls.push_back(says.spawn("flood", "the last words\n", false));
  calls.push_back(says.spawn("stderr", "behind it\n", false));
  for (auto& call : calls) call.get();
  auto const id_of = [&](std::size_t i) { return to_string(calls[i].id()); };
  auto const all = run("logs" + where).text;
  for (std::size_t i = 0; i < 40; ++i)
    CHECK(all.find(id_of(i) + "  " + std::to_string(i) + "\n") != std::string::npos);
  CHECK(all.find(id_of(41) + "  behind it\n") != std::string::npos);
  auto const flood = run("logs " + id_of(40) + where).text;
  CHECK(flood.find(" bytes that call " + id_of(40) + " printed before this are lost") != std::string::npos);
  CHECK(flood.ends_with("xxx\nthe last words\n"));
  CHECK(flood.size() < 1'200'000);
  worker.kill();
  worker.wait();
}
#endif

}  // namespace e2e::key_roles_tests
