// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>
#include <signal.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "src/platform/process.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/program.hpp"
#include "tests/e2e/programs/durable.hpp"
#include "tests/support/held_port.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/schedule.hpp"

using namespace std::chrono_literals;

// Durable calls, while hubs, workers and callers are killed.
namespace e2e {
namespace {

class durable_site {
 public:
  durable_site() {
    yonder::transport::keygen(keys());
    start_hub(port_.address());
  }
  ~durable_site() {
    kill_workers();
    kill_hub();
  }
  durable_site(durable_site const&) = delete;
  durable_site& operator=(durable_site const&) = delete;

  std::string keys() const { return folder_ / "keys"; }
  std::string file(std::string const& name) const { return folder_ / name; }
  std::string const& address() const { return address_; }

  void kill_hub() {
    hub_->kill();
    hub_->wait();
  }
  // Where it was, with the journal that it had.
  void revive_hub() { start_hub(address_); }
  void restart_hub() {
    kill_hub();
    revive_hub();
  }
  // As if the disk were full once a file has some 32 KiB.
  void restart_hub_without_room() {
    kill_hub();
    start(address_, "/bin/sh", {"-c", "trap '' XFSZ; ulimit -f 64; exec \"$@\"", "sh", YONDER_DURABLE});
  }
  void start_worker(std::vector<std::string> environment = {}) {
    environment.push_back("YONDER_KEYS=" + keys());
    workers_.emplace_back(YONDER_DURABLE, environment, std::vector<std::string>{"--yonder-worker", address_});
  }
  void kill_workers() {
    for (auto& one : workers_) {
      one.kill();
      one.wait();
    }
    workers_.clear();
  }
  program start_caller(std::string const& file, int count, std::string const& task) const {
    return program(YONDER_DURABLE, {}, {"spawn", keys(), address_, file, std::to_string(count), task});
  }
  yonder::runtime_options client() const { return {.hub = address_, .keys = keys(), .connect_timeout = 60s}; }

 private:
  void start_hub(std::string const& at) { start(at, YONDER_DURABLE, {}); }
  void start(std::string const& at, std::string const& path, std::vector<std::string> words) {
    for (auto const& word : {std::string("hub"), keys(), folder_ / "journal", at}) words.push_back(word);
    hub_.emplace(path, std::vector<std::string>{}, words);
    do address_ = hub_->read_line();
    while (address_.starts_with("yonder: "));  // what the journal's recovery found
    REQUIRE_MESSAGE(address_.starts_with("tcp://"), address_);
  }

  yonder::testing::held_port port_;
  folder folder_;
  std::string address_;
  std::optional<program> hub_;
  std::vector<program> workers_;
};

// How often each number was noted.
std::map<int, int> notes_in(std::string const& file) {
  std::map<int, int> notes;
  std::ifstream from(file);
  for (int number = 0; from >> number;) ++notes[number];
  return notes;
}

std::vector<yonder::call_id> ids_of(program& caller) {
  std::vector<yonder::call_id> ids;
  for (auto line = caller.read_line(); line != "done"; line = caller.read_line()) {
    auto const id = yonder::parse_call_id(line);
    REQUIRE_MESSAGE(id.has_value(), line);
    ids.push_back(*id);
  }
  return ids;
}

}  // namespace

TEST_CASE("promise 5: a durable call survives kill -9 of its hub, and is found by its id") {
  durable_site here;
  yonder::call_id id;
  {
    yonder::runtime caller(here.client());
    id = task::note.on(caller).spawn(here.file("notes"), 21).id();
  }
  here.restart_hub();
  here.start_worker();
  yonder::runtime const other(here.client());
  auto const text = to_string(id);
  CHECK(yonder::find<int>(*yonder::parse_call_id(text), other).get() == 42);
  // Once somebody has had it, it is kept no more. What get() says travels on its own.
  while (!other.calls().empty()) {
  }
  auto gone = yonder::find<int>(id, other).try_get();
  REQUIRE_FALSE(gone.has_value());
  CHECK(gone.error().code() == yonder::errc::unknown_call);
}

TEST_CASE("a call that is found by its id has to return what is asked for") {
  durable_site here;
  yonder::runtime caller(here.client());
  auto const id = task::note.on(caller).spawn(here.file("notes"), 1).id();
  here.start_worker();
  auto const wrong = yonder::find<std::string>(id, caller).try_get();
  REQUIRE_FALSE(wrong.has_value());
  CHECK(wrong.error().code() == yonder::errc::signature_mismatch);
  CHECK(yonder::find<int>(id, caller).get() == 2);
}

TEST_CASE("who is told that his durable call was cancelled has its outcome, too") {
  durable_site here;
  yonder::runtime caller(here.client());
  auto call = task::note.on(caller).spawn(here.file("notes"), 1);
  yonder::runtime const other(here.client());
  CHECK(other.calls().size() == 1);  // it is connected, and says at once what it has to
  yonder::find<int>(call.id(), other).cancel();
  auto const result = call.try_get();
  REQUIRE_FALSE(result.has_value());
  CHECK(result.error().code() == yonder::errc::cancelled);
  while (!caller.calls().empty()) {
  }
}

TEST_CASE("a durable call whose hub stays away names its id, and is found by that when the hub is back") {
  durable_site here;
  auto impatient = here.client();
  std::optional<yonder::runtime> had;
  auto const spawned = [&]() -> yonder::call<int> {
    for (impatient.connect_timeout = 200ms;; impatient.connect_timeout *= 2)
      try {  // as long as its hub takes
        had.emplace(impatient);
        return task::note.on(*had).spawn(here.file("notes"), 3);
      } catch (yonder::error const&) {
        if (impatient.connect_timeout > 30s) throw;
      }
  };
  auto call = spawned();
  auto& caller = *had;
  here.kill_hub();
  try {
    (void)call.get();
    FAIL("it has an outcome");
  } catch (yonder::disconnected const& away) {
    CHECK(away.details().call == call.id());
    auto const told = "goes on with the hub: find it by its id when that is back, " + to_string(call.id());
    CHECK_MESSAGE(std::string(away.what()).find(told) != std::string::npos, away.what());
  }
  yonder::call_id never_taken;
  try {
    (void)task::note.on(caller).spawn(here.file("notes"), 4);
    FAIL("it was taken");
  } catch (yonder::error const& away) {
    never_taken = away.details().call;
    CHECK(never_taken == yonder::call_id{call.id().session, call.id().number + 1});
  }
  here.revive_hub();
  here.start_worker();
  yonder::runtime const other(here.client());
  CHECK(yonder::find<int>(call.id(), other).get() == 6);
  auto const unknown = yonder::find<int>(never_taken, other).try_get();
  REQUIRE_FALSE(unknown.has_value());
  CHECK(unknown.error().code() == yonder::errc::unknown_call);
  CHECK(unknown.error().details().call == never_taken);
  CHECK(std::string(unknown.error().what())
            .starts_with("find: unknown_call: the hub has no call " + to_string(never_taken)));
}

TEST_CASE("a hub whose journal has failed says so, whatever it is asked, and forgets nothing of it") {
  durable_site here;
  here.restart_hub_without_room();
  yonder::runtime caller(here.client());
  std::vector<yonder::call_id> taken;
  yonder::call_id refused;
  while (refused == yonder::call_id{}) {
    REQUIRE(taken.size() < 100);
    try {
      taken.push_back(task::note.on(caller).spawn(std::string(4096, '/'), 1).id());
    } catch (yonder::disconnected const& full) {
      refused = full.details().call;
      CHECK(std::string(full.what()).find(to_string(refused)) != std::string::npos);
    }
  }
  auto const asked = yonder::find<int>(refused, caller).try_get();
  REQUIRE_FALSE(asked.has_value());
  CHECK(asked.error().code() == yonder::errc::disconnected);
  CHECK(std::string(asked.error().what()).find("the hub's journal has failed: ") != std::string::npos);
#ifdef YONDER_COMMAND
  auto const said = [&](std::string const& verb, int status) {
    program command(YONDER_COMMAND, {}, {verb, "--hub", here.address(), "--keys", here.keys()});
    auto text = command.read_all();
    CHECK(command.wait().status == status);
    CHECK_MESSAGE(text.find("the hub's journal has failed: ") != std::string::npos, text);
  };
  said("ps", 0);
  said("calls", 1);
#endif
  here.restart_hub();
  CHECK(yonder::runtime(here.client()).calls().size() >= taken.size());
}

#ifdef YONDER_COMMAND
TEST_CASE("a backup that is made while the hub serves is a journal that another hub goes on from") {
  durable_site here;
  yonder::runtime caller(here.client());
  std::vector<yonder::call<int>> calls;
  for (int i = 0; i < 30; ++i) calls.push_back(task::note.on(caller).spawn(here.file("notes"), i));
  program backup(YONDER_COMMAND, {}, {"journal", "backup", here.file("journal"), here.file("copy")});
  for (int i = 30; i < 60; ++i) calls.push_back(task::note.on(caller).spawn(here.file("notes"), i));
  auto const said = backup.read_all();
  CHECK_MESSAGE(backup.wait().status == 0, said);
  here.kill_hub();
  std::filesystem::rename(here.file("journal"), here.file("lost"));
  std::filesystem::rename(here.file("copy"), here.file("journal"));
  here.revive_hub();
  here.start_worker();
  for (int i = 0; i < 30; ++i) CHECK(calls[static_cast<std::size_t>(i)].get() == 2 * i);
}
#endif

TEST_CASE("promise 5: whatever is killed while hundreds of calls wait, none that was accepted is lost") {
  durable_site here;
  constexpr int count = 300;
  yonder::runtime caller(here.client());
  std::vector<yonder::call<int>> repeatable, once;
  for (int i = 0; i < count; ++i) {
    repeatable.push_back(task::note.on(caller).spawn(here.file("repeatable"), i));
    once.push_back(task::note_once.on(caller).spawn(here.file("once"), i));
    if (i % 100 == 50) here.restart_hub();
  }
  here.start_worker();
  here.start_worker();
  for (int i = 0; i < count; ++i) {
    if (i % 100 == 10) here.restart_hub();
    CHECK(repeatable[static_cast<std::size_t>(i)].get() == 2 * i);
  }
  int unknown = 0;
  for (int i = 0; i < count; ++i) {
    auto const result = once[static_cast<std::size_t>(i)].try_get();
    if (result.has_value()) {
      CHECK(*result == 2 * i);
    } else {
      CHECK(result.error().code() == yonder::errc::worker_lost);
      ++unknown;
    }
  }
  CHECK(unknown < count / 4);
  auto const notes = notes_in(here.file("once"));
  CHECK(static_cast<int>(notes.size()) >= count - unknown);
  for (auto const& one : notes) CHECK_MESSAGE(one.second == 1, one.first);
  CHECK(notes_in(here.file("repeatable")).size() == count);
}

TEST_CASE("the calls of a caller that was killed go on, and another process has their results") {
  durable_site here;
  auto caller = here.start_caller(here.file("notes"), 20, "once");
  auto const ids = ids_of(caller);
  REQUIRE(ids.size() == 20);
  caller.kill();
  caller.wait();
  here.start_worker();
  yonder::runtime const other(here.client());
  int next = 0;
  for (auto const& id : ids) CHECK(yonder::find<int>(id, other).get() == 2 * next++);
  CHECK(notes_in(here.file("notes")).size() == 20);
}

TEST_CASE("a durable call whose worker is killed runs again where it may, also if its hub is killed then") {
  durable_site here;
  yonder::runtime caller(here.client());
  auto call = task::note_at_second.on(caller).spawn(here.file("notes"), 5);
  here.start_worker();
  while (notes_in(here.file("notes")).empty()) {
  }
  here.restart_hub();
  CHECK(call.get() == 10);
}

TEST_CASE("promise 18: what a worker runs while its hub is killed is taken over, and runs once") {
  for (auto const ends_meanwhile : {false, true}) {
    CAPTURE(ends_meanwhile);
    durable_site here;
    yonder::runtime caller(here.client());
    REQUIRE(::mkfifo(here.file("notes.gate").c_str(), 0600) == 0);
    auto call = task::note_at_gate.on(caller).spawn(here.file("notes"), 5);
    here.start_worker();
    while (notes_in(here.file("notes")).empty()) {
    }
    here.kill_hub();
    auto const open = [&] { std::ofstream(here.file("notes.gate")); };  // the task reads nothing
    if (ends_meanwhile) {
      open();
      while (notes_in(here.file("notes")).size() < 2) {
      }
    }
    here.revive_hub();
    if (!ends_meanwhile) open();
    CHECK(call.get() == 10);
    CHECK(notes_in(here.file("notes")) == std::map<int, int>{{5, 1}, {-5, 1}});
  }
}

TEST_CASE("a callback is made with the value of its call, once, whatever is killed") {
  durable_site here;
  constexpr int count = 40;
  std::vector<yonder::call_id> ids;
  auto const file = [&](int i) { return here.file("notes" + std::to_string(i)); };
  {
    yonder::runtime caller(here.client());
    for (int i = 0; i < count; ++i)
      ids.push_back(task::note_there.on(caller).then(task::note_callback).spawn(file(i), i).id());
  }
  here.start_worker();
  yonder::runtime const other(here.client());
  int unknown = 0;
  for (int i = 0; i < count; ++i) {
    auto const id = ids[static_cast<std::size_t>(i)];
    if (i % 10 == 5) here.restart_hub();
    if (i % 20 == 8) {
      here.kill_workers();
      here.start_worker();
    }
    CHECK(yonder::find<std::string>(id, other).get() == file(i));
    auto const outcome = yonder::find<int>(yonder::callback_id(id), other).try_get();
    if (outcome.has_value())
      CHECK(*outcome == 2);
    else
      CHECK(outcome.error().code() == yonder::errc::worker_lost);
    unknown += outcome.has_value() ? 0 : 1;
    auto const ran = notes_in(file(i) + ".callback");
    CHECK(ran.size() <= 1);
    for (auto const& one : ran) CHECK(one.second == 1);
  }
  CHECK(unknown <= 8);
}

TEST_CASE("a callback of any end is told how its call has failed") {
  durable_site here;
  here.start_worker();
  yonder::runtime caller(here.client());
  auto failing = task::fail_there.on(caller).then(task::note_end).spawn(here.file("failing"));
  CHECK_THROWS_AS((void)failing.get(), std::runtime_error);
  yonder::find<void>(yonder::callback_id(failing.id()), caller).get();
  CHECK(notes_in(here.file("failing.end")) ==
        std::map<int, int>{{static_cast<int>(yonder::errc::failed), 1}});
  auto const good = task::note_there.on(caller).then(task::note_end).spawn(here.file("good"), 1).id();
  CHECK(yonder::find<std::string>(good, caller).get() == here.file("good"));
  yonder::find<void>(yonder::callback_id(good), caller).get();
  CHECK(notes_in(here.file("good.end")) == std::map<int, int>{{0, 1}});
  auto const lost = task::fail_there.on(caller).then(task::note_callback).spawn(here.file("lost")).id();
  CHECK_THROWS_AS((void)yonder::find<std::string>(lost, caller).get(), std::runtime_error);
  auto const none = yonder::find<int>(yonder::callback_id(lost), caller).try_get();
  REQUIRE_FALSE(none.has_value());
  CHECK(none.error().code() == yonder::errc::unknown_call);
}

TEST_CASE("callbacks that cannot be are refused in words") {
  durable_site here;
  yonder::runtime caller(here.client());
  auto const code_of = [](auto const& spawn) {
    try {
      auto const outcome = spawn().try_get();
      return outcome.has_value() ? yonder::errc{} : outcome.error().code();
    } catch (yonder::error const& refused) {
      CHECK_MESSAGE(std::string(refused.what()).find("callback") != std::string::npos, refused.what());
      return refused.code();
    }
  };
  auto const there = task::note_there.on(caller);
  CHECK(code_of([&] { return there.with({.durable = false}).then(task::note_callback).spawn("x", 1); }) ==
        yonder::errc::bad_configuration);
  CHECK(code_of([&] {
          return there.then(task::note_callback.with({.idempotency_key = "k"})).spawn("x", 1);
        }) == yonder::errc::bad_configuration);
  CHECK(code_of([&] { return there.then(task::note_callback.with({.priority = 10})).spawn("x", 1); }) ==
        yonder::errc::bad_configuration);
}

TEST_CASE("a schedule of a durable task goes on in its hub, whatever is killed") {
  durable_site here;
  here.start_worker();
  yonder::runtime caller(here.client());
  auto const row = [&] {
    auto const all = yonder::schedules();
    return all.size() == 1 ? all.front() : yonder::schedule_snapshot();
  };
  auto const make = [&] {
    return yonder::every(20ms, {.missed = yonder::missed::all, .name = "often"}, task::note_once.on(caller),
                         here.file("notes"), 1);
  };
  auto const often = make();
  while (notes_in(here.file("notes"))[1] < 3) {
  }
  here.restart_hub();
  while (notes_in(here.file("notes"))[1] < 20) {
  }
  CHECK(make().id() == often.id());
  often.pause();
  while (row().running != 0) {
  }
  auto const paused = row();
  CHECK(paused.durable);
  CHECK(paused.paused);
  CHECK(paused.name == "often");
  CHECK(paused.when == "every 20 ms");
  auto const ran = static_cast<std::uint64_t>(notes_in(here.file("notes"))[1]);
  CHECK(ran <= paused.runs);
  CHECK(ran >= paused.runs - paused.failed);
  here.restart_hub();
  CHECK(row().paused);
  CHECK(row().runs == paused.runs);
  often.fire();
  while (row().runs == paused.runs || row().running != 0) {
  }
  CHECK(notes_in(here.file("notes"))[1] == static_cast<int>(ran) + 1);
  often.stop();
  CHECK(yonder::schedules().empty());
}

TEST_CASE("a durable map runs through a journal, and a caller that has its results leaves nothing there") {
  durable_site here;
  here.start_worker();
  yonder::runtime caller(here.client());
  std::vector<std::tuple<std::string, int>> arguments;
  for (int i = 0; i < 2000; ++i) arguments.emplace_back(here.file("notes"), i);
  int next = 0;
  for (int const doubled : task::note.on(caller).starmap(arguments)) CHECK(doubled == 2 * next++);
  CHECK(next == 2000);
  while (!caller.calls().empty()) {
  }
}

TEST_CASE("a journal has a limit where one is set, and a call past it is refused when it is made") {
  folder here;
  yonder::transport::keygen(here / "keys");
  yonder::runtime hub({.max = 0,
                       .bind = {"tcp://127.0.0.1:*"},
                       .journal = here / "journal",
                       .max_journal_bytes = 100'000,
                       .keys = here / "keys"});  // no worker comes, so nothing ends
  auto const first = task::note.with({.durable = true}).on(hub).spawn(std::string(150'000, 'x'), 1);
  try {
    (void)task::note.with({.durable = true}).on(hub).spawn("", 2);
    FAIL("it was taken");
  } catch (yonder::error const& refused) {
    CHECK(refused.code() == yonder::errc::overloaded);
    CHECK(std::string(refused.what()).find("max_journal_bytes") != std::string::npos);
  }
}

TEST_CASE("a hub without a journal refuses durable calls when they are made") {
  folder keys;
  yonder::transport::keygen(keys / "keys");
  yonder::runtime const hub({.max = 0, .bind = {"tcp://127.0.0.1:*"}, .keys = keys / "keys"});
  yonder::runtime caller({.hub = hub.addresses().front(), .keys = keys / "keys"});
  try {
    (void)task::note.on(caller).spawn("", 1);
    FAIL("it was taken");
  } catch (yonder::error const& refused) {
    CHECK(refused.code() == yonder::errc::unsatisfiable);
    CHECK(std::string(refused.what()).find("--journal") != std::string::npos);
  }
}

TEST_CASE("promise 4: a call under an idempotency key runs once, whoever asks and whatever is killed") {
  durable_site here;
  yonder::runtime caller(here.client());
  yonder::runtime other(here.client());
  // The first call after a hub's end may still be sent to that one. Only a durable one is sent again then.
  auto const keyed = task::note_keyed.with({.idempotency_key = "order 17"});
  auto const kept = task::note_keyed.with({.durable = true, .idempotency_key = "order 17"});
  auto first = kept.on(caller).spawn(here.file("notes"), 7);
  here.restart_hub();
  auto joined = kept.on(other).spawn(here.file("notes"), 7);
  auto gives_up = keyed.on(other).spawn(here.file("notes"), 7);
  gives_up.cancel();
  here.start_worker();
  CHECK(joined.get() == 14);
  CHECK(first.get() == 14);
  here.restart_hub();
  CHECK(kept.on(other).remote(here.file("notes"), 7) == 14);
  CHECK(kept.on(caller).remote(here.file("notes"), 7) == 14);
  CHECK(keyed.on(caller).remote(here.file("notes"), 7) == 14);
  CHECK_THROWS_AS(keyed.on(caller).remote(here.file("notes"), 8), yonder::idempotency_key_reused);
  CHECK(notes_in(here.file("notes")) == std::map<int, int>{{7, 1}});
  CHECK(task::note_keyed.on(caller).remote(here.file("notes"), 8) == 16);
}

TEST_CASE("what can have no idempotency key is refused in words") {
  durable_site here;
  yonder::runtime caller(here.client());
  auto const keyed = task::note_keyed.on(caller).with({.idempotency_key = "k"});
  auto const refused = [](auto&& call) {
    try {
      call();
    } catch (yonder::usage_error const& error) {
      return std::string(error.what());
    }
    return std::string();
  };
  std::vector<std::tuple<std::string, int>> const arguments{{"", 1}};
  CHECK(refused([&] { keyed.for_each(arguments); }).find("a map takes no idempotency_key") !=
        std::string::npos);
  auto const number = task::note.on(caller).spawn(here.file("notes"), 1);
  CHECK(refused([&] { keyed.remote("", number); }).find("pass get()") != std::string::npos);
  auto const long_key = keyed.with({.idempotency_key = std::string(65, 'k')});
  CHECK(refused([&] { long_key.remote("", 1); }).find("1 to 64 bytes") != std::string::npos);
}

TEST_CASE("retry_for and no_retry_for choose by what was thrown, registered or not") {
  durable_site here;
  here.start_worker();
  yonder::runtime caller(here.client());
  auto const runs = [&](std::string const& file, int what, yonder::retry_rule rule) {
    auto const result =
        task::note_and_throw.on(caller).with({.retry = rule}).try_remote(here.file(file), what);
    CHECK_FALSE(result.has_value());
    return notes_in(here.file(file))[what];
  };
  CHECK(runs("a", 1, yonder::retry_for<std::range_error>) == 2);
  CHECK(runs("b", 2, yonder::retry_for<std::range_error>) == 1);
  CHECK(runs("c", 3, yonder::retry_for<std::range_error, refused>) == 2);
  CHECK(runs("d", 3, yonder::no_retry_for<refused>) == 1);
  CHECK(runs("e", 2, yonder::no_retry_for<refused>) == 2);
}

TEST_CASE("a call that fails leaves a recording where asked for, which runs again on the same bytes") {
  durable_site here;
  auto const recordings = here.file("recordings");
  std::filesystem::create_directory(recordings);
  here.start_worker({"YONDER_RECORD=" + recordings});
  yonder::runtime caller(here.client());
  auto const all = [&] {
    std::vector<std::filesystem::path> found;
    for (auto const& one : std::filesystem::directory_iterator(recordings)) found.push_back(one.path());
    return found;
  };
  CHECK(task::note_keyed.on(caller).remote(here.file("notes"), 5) == 10);
  CHECK(all().empty());
  CHECK_THROWS_AS(task::note_and_throw.on(caller).with({.retries = 0}).remote(here.file("thrown"), 2),
                  std::logic_error);
  auto const left = all();
  REQUIRE(left.size() == 1);
  using perms = std::filesystem::perms;
  CHECK(std::filesystem::status(left[0]).permissions() == (perms::owner_read | perms::owner_write));

  program again(YONDER_DURABLE, {}, {"--yonder-replay", left[0]});
  CHECK(again.read_line() == "e2e.note_and_throw threw std::logic_error: 2");
  CHECK(again.wait().status == 1);
  CHECK(notes_in(here.file("thrown")) == std::map<int, int>{{2, 2}});

  std::ifstream from(left[0], std::ios::binary);
  std::string const whole{std::istreambuf_iterator<char>(from), {}};
  auto const replayed = [&](std::string const& content) {
    std::ofstream(here.file("other"), std::ios::binary) << content;
    program refused(YONDER_DURABLE, {}, {"--yonder-replay=" + here.file("other")});
    return refused.wait().status;
  };
  auto other_build = whole;
  other_build[30] = other_build[30] == 'a' ? 'b' : 'a';
  CHECK(replayed(other_build) == 2);
  CHECK(replayed(whole.substr(0, whole.size() - 1)) == 2);
  CHECK(notes_in(here.file("thrown")) == std::map<int, int>{{2, 2}});
}

TEST_CASE("a call whose worker died leaves its recording, too") {
  durable_site here;
  auto const recordings = here.file("recordings");
  std::filesystem::create_directory(recordings);
  here.start_worker({"YONDER_RECORD=" + recordings});
  yonder::runtime caller(here.client());
  CHECK(task::note_at_second.on(caller).remote(here.file("notes"), 5) == 10);
  CHECK(std::distance(std::filesystem::directory_iterator(recordings), {}) == 1);
}

}  // namespace e2e
