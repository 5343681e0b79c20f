// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <atomic>
#include <semaphore>
#include <stdexcept>
#include <string>

#include "tests/unit/http/desk.hpp"
#include "yonder/yonder.hpp"

// Idempotency keys: each way to make a call, with each thing that may be another when it is asked for again.
namespace http_tests {
namespace {

std::atomic<int> keyed_runs{0};
std::counting_semaphore<> keyed_gate(0);

}  // namespace

int count_up(int number) {
  ++keyed_runs;
  if (number < 0) throw std::domain_error("below zero");
  return number;
}
int count_up_held(int number) {
  ++keyed_runs;
  keyed_gate.acquire();
  return number;
}

inline constexpr yonder::task<count_up> keyed_count;
inline constexpr yonder::task<count_up_held> held_task;

inline constexpr yonder::http::endpoint<keyed_count> keyed_count_over_http;
inline constexpr yonder::http::endpoint<held_task> held_over_http;

namespace {

std::string const two_callers = "0123456789abcdef alice call:*\n0123456789abcdeg bob call:*\n";

// One way to make a call, at a gateway whose keys are its own, or its hub's.
struct way {
  bool spawns = false;
  bool keys_of_hub = false;

  std::string name() const {
    return std::string(spawns ? "spawn" : "call") + (keys_of_hub ? "-hub" : "-gateway");
  }
  std::string url(std::string const& task) const {
    return "/v1/tasks/http_tests::" + task + (spawns ? "/spawn" : "");
  }
};

class keyed_desk {
 public:
  keyed_desk(way how, std::string key) : how_(how), key_(std::move(key)), desk_({}, two_callers) {
    if (how.keys_of_hub) desk_.use_keys_of_hub();
  }

  std::shared_ptr<answered> begin(std::string const& task, std::string const& body, fields who = alice) {
    who.emplace_back("Idempotency-Key", key_);
    return desk_.begin("POST", how_.url(task), body, std::move(who));
  }
  // What became of it: its state, where it was spawned, once it has ended.
  std::shared_ptr<answered> ask(std::string const& body, fields who = alice) {
    auto const from = begin("count_up", body, who);
    desk_.finish(*from);
    if (!how_.spawns || from->got->status != 202) return from;
    return desk_.ask("GET", "/v1/calls/" + from->body()["id"].get<std::string>() + "?wait=30", "", who);
  }
  desk& at() { return desk_; }

 private:
  way how_;
  std::string key_;
  desk desk_;
};

constexpr way ways[] = {{false, false}, {true, false}, {false, true}, {true, true}};

// Of an answer, whatever it says about the moment left out.
std::string outcome_of(way const& how, answered const& from) {
  if (!how.spawns) return std::to_string(from.got->status) + " " + from.got->body;
  auto const said = from.body();
  return said.value("result", json()).dump() + said.value("error", json()).dump();
}

}  // namespace

TEST_CASE("a key that is used again: the same, other arguments, another task, another credential") {
  for (auto const& how : ways) {
    CAPTURE(how.name());
    keyed_desk good(how, "matrix-" + how.name());
    auto const before = keyed_runs.load();
    auto const first = good.ask("[1]");
    CHECK(keyed_runs == before + 1);
    CHECK(outcome_of(how, *good.ask("[1]")) == outcome_of(how, *first));
    CHECK(keyed_runs == before + 1);
    auto const other = good.ask("[2]");
    CHECK(other->got->status == 409);
    CHECK(other->body()["code"] == "idempotency_key_reused");
    auto const elsewhere = good.begin("count_up_held", "[1]");
    good.at().finish(*elsewhere);
    CHECK(elsewhere->got->status == 409);
    CHECK(keyed_runs == before + 1);
    good.ask("[2]", bob);  // a key is its caller's
    CHECK(keyed_runs == before + 2);
    // The gateway's own keys are over then; the hub's last for a day.
    good.at().pass(std::chrono::minutes(11));
    CHECK(outcome_of(how, *good.ask("[1]")) == outcome_of(how, *first));
    CHECK(keyed_runs == before + (how.keys_of_hub ? 2 : 3));
    if (!how.keys_of_hub) continue;
    good.at().pass(std::chrono::minutes(11));
    CHECK(outcome_of(how, *good.ask("[2]")).find("idempotency_key_reused") != std::string::npos);
    CHECK(keyed_runs == before + 2);
  }
}

TEST_CASE("a key whose call has failed gives that failure again, and runs nothing") {
  for (auto const& how : ways) {
    CAPTURE(how.name());
    keyed_desk at(how, "failed-" + how.name());
    auto const before = keyed_runs.load();
    auto const first = at.ask("[-1]");
    CHECK(outcome_of(how, *first).find("below zero") != std::string::npos);
    CHECK(outcome_of(how, *at.ask("[-1]")) == outcome_of(how, *first));
    CHECK(keyed_runs == before + 1);
    CHECK(at.ask("[-2]")->got->status == 409);
    CHECK(keyed_runs == before + 1);
  }
}

TEST_CASE("the same arguments are the same, however they are spelled") {
  desk at;
  auto const before = keyed_runs.load();
  for (char const* body : {"[5]", " [ 5 ] ", "[5.0]"})
    CHECK(at.post("count_up", body, {{"Idempotency-Key", "spelled"}})->got->body == "5");
  CHECK(keyed_runs == before + 1);
}

TEST_CASE("others' calls do not push one out that is kept under a key") {
  desk at({}, two_callers);
  auto const before = keyed_runs.load();
  auto mine = alice;
  mine.emplace_back("Idempotency-Key", "kept");
  auto const first = at.post("count_up", "[3]", mine);
  for (int i = 0; i < 2; ++i) {
    std::string many = "[";
    for (int n = 0; n < 6000; ++n) many += n == 0 ? "[1]" : ",[1]";
    at.ask("POST", "/v1/tasks/http_tests::count_up/batch?wait=0", many + "]", bob);
  }
  while (at.work().running() != 0) at.turn();
  CHECK(keyed_runs == before + 12'001);
  auto const again = at.post("count_up", "[3]", mine);
  CHECK(again->field("Yonder-Call") == first->field("Yonder-Call"));
  CHECK(keyed_runs == before + 12'001);
}

TEST_CASE("a key whose call was not even started has it tried when it is used again") {
  for (auto const& how : ways) {
    CAPTURE(how.name());
    keyed_desk at(how, "not-started-" + how.name());
    auto const before = keyed_runs.load();
    auto hurried = alice;
    hurried.emplace_back("Yonder-Deadline", "0");
    CHECK(outcome_of(how, *at.ask("[1]", hurried)).find("deadline_exceeded") != std::string::npos);
    CHECK(keyed_runs == before);
    CHECK(outcome_of(how, *at.ask("[1]")).find('1') != std::string::npos);
    CHECK(keyed_runs == before + 1);
  }
}

TEST_CASE("a key whose call runs is joined, by calls and by spawned ones") {
  for (auto const& how : ways) {
    CAPTURE(how.name());
    keyed_desk at(how, "joined-" + how.name());
    auto const before = keyed_runs.load();
    auto const one = at.begin("count_up_held", "[7]");
    auto const two = at.begin("count_up_held", "[7]");
    keyed_gate.release();
    at.at().finish(*one);
    at.at().finish(*two);
    if (how.spawns)
      CHECK(one->body()["id"] == two->body()["id"]);
    else
      CHECK(two->got->body == "7");
    auto const wait = [&](std::shared_ptr<answered> const& from) {
      if (how.spawns)
        at.at().ask("GET", "/v1/calls/" + from->body()["id"].get<std::string>() + "?wait=30", "", alice);
    };
    wait(one);
    wait(two);
    CHECK(keyed_runs == before + 1);
  }
}

TEST_CASE("where many calls are made at once a key is refused, and not ignored") {
  desk at;
  auto const before = keyed_runs.load();
  fields const key{{"Idempotency-Key", "k-batch"}};
  auto const refused = at.ask("POST", "/v1/tasks/http_tests::count_up/batch", "[[1],[2]]", key);
  CHECK(refused->got->status == 400);
  CHECK(refused->body()["detail"].get<std::string>().find("Idempotency-Key") != std::string::npos);
  CHECK(keyed_runs == before);
}

}  // namespace http_tests
