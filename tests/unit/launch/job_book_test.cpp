// SPDX-License-Identifier: Apache-2.0
#include "src/driver/job_book.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <iterator>

#include "src/launch/launcher.hpp"

using namespace yonder::driver;

namespace {

using kind = job_book::event::kind;
using state = job_book::state;
using yonder::launch::second;

std::vector<std::string> told_of(job_book& book) {
  std::vector<job_book::event> events;
  book.take(events);
  std::vector<std::string> told;
  constexpr char const* names[] = {"waits", "placed", "failed", "ended", "stop failed", "notice"};
  for (auto const& one : events)
    told.push_back(std::string(names[static_cast<int>(one.what)]) + " " + std::to_string(one.start));
  return told;
}
using words = std::vector<std::string>;
using starts = std::vector<std::uint64_t>;

}  // namespace

TEST_CASE("a start is a job, which is placed when it runs and ended when it is over") {
  job_book book({});
  book.start(0, 7);
  CHECK(book.submission(0) == starts{7});
  CHECK(book.submission(0).empty());
  book.submitted(0, "12");
  CHECK(book.next_deadline() == 2 * second);
  CHECK_FALSE(book.should_look(1 * second));
  REQUIRE(book.should_look(5 * second));
  CHECK_FALSE(book.should_look(5 * second));
  book.listed(5 * second, {{"12", {state::waiting, "PENDING"}}});
  CHECK(told_of(book) == words{"waits 7"});
  REQUIRE(book.should_look(10 * second));
  book.listed(10 * second, {{"12", {state::running, "RUNNING"}}});
  CHECK(told_of(book) == words{"placed 7", "waits 7"});
  REQUIRE(book.should_look(15 * second));
  book.listed(15 * second, {});
  CHECK(told_of(book).empty());  // a scheduler may have lost sight of it for a moment
  REQUIRE(book.should_look(16 * second));
  book.listed(16 * second, {{"12", {state::running, "RUNNING"}}});
  CHECK(told_of(book) == words{"waits 7"});
  REQUIRE(book.should_look(21 * second));
  book.listed(21 * second, {});
  CHECK(told_of(book).empty());
  REQUIRE(book.should_look(22 * second));
  book.listed(22 * second, {});
  CHECK(told_of(book) == words{"ended 7"});
  CHECK(book.next_deadline() == job_book::never);
}

TEST_CASE("a job that the queue has no more goes on while its worker is heard, and that is told once") {
  job_book book({});
  book.start(0, 7);
  REQUIRE(book.submission(0) == starts{7});
  book.submitted(0, "12");
  REQUIRE(book.should_look(5 * second));
  book.listed(5 * second, {{"12", {state::running, "RUNNING"}}});
  CHECK(told_of(book) == words{"placed 7", "waits 7"});
  book.served(7);
  for (int at = 10; at < 60; at += 5) {
    REQUIRE(book.should_look(at * second));
    book.listed(at * second, {});
    CHECK(told_of(book) == (at == 15 ? words{"notice 0"} : words{}));
  }
  book.stop(7);  // it is heard no more
  CHECK(book.cancel() == "12");
  book.already_over(60 * second);
  CHECK(told_of(book) == words{"ended 7"});
  CHECK(book.next_deadline() == job_book::never);
}

TEST_CASE(
    "why a job waits is told when that changes; one for which it is hopeless is cancelled in the second "
    "look") {
  job_book book({.workers = 2});
  book.start(0, 1);
  book.start(0, 2);
  book.submission(0);
  book.submitted(0, "12");
  auto const look = [&book](std::int64_t at, job_book::seen const& is) {
    REQUIRE(book.should_look(at * second));
    book.listed(at * second, {{"12", is}});
  };
  look(5, {state::waiting, "PENDING (Priority)"});
  CHECK(told_of(book) == words{"waits 1", "waits 2"});
  look(10, {state::waiting, "PENDING (Priority)"});
  CHECK(told_of(book).empty());
  look(15, {state::waiting, "PENDING (PartitionTimeLimit)", "", true});
  CHECK(told_of(book) == words{"waits 1", "waits 2"});
  look(20, {state::waiting, "PENDING (Priority)"});  // an administrator has changed that
  CHECK(told_of(book) == words{"waits 1", "waits 2"});
  look(25, {state::waiting, "PENDING (PartitionTimeLimit)", "", true});
  CHECK(book.cancel().empty());
  look(30, {state::waiting, "PENDING (PartitionTimeLimit)", "", true});
  CHECK(book.cancel() == "12");
  book.cancelled(30 * second);
  told_of(book);
  look(31, {state::over, "CANCELLED"});
  std::vector<job_book::event> events;
  book.take(events);
  REQUIRE(events.size() == 2);
  CHECK(events[0].what == kind::failed);
  CHECK(events[0].text ==
        "its job 12 waits: PENDING (PartitionTimeLimit)\nits job 12 was cancelled: CANCELLED");
}

TEST_CASE(
    "of a job that runs it is told at each look on which workers are waited for, where and for how long") {
  job_book book({.workers = 3});
  for (std::uint64_t start : {1, 2, 3}) book.start(0, start);
  book.submission(0);
  book.submitted(0, "12");
  auto const look = [&book](std::int64_t at) {
    REQUIRE(book.should_look(at * second));
    book.listed(at * second, {{"12", {.is = state::running, .words = "RUNNING", .where = "n1"}}});
    std::vector<job_book::event> events, waits;
    book.take(events);
    std::copy_if(events.begin(), events.end(), std::back_inserter(waits),
                 [](auto const& one) { return one.what == kind::waits; });
    return waits;
  };
  auto told = look(5);
  REQUIRE(told.size() == 3);
  CHECK(told[0].text == "its job 12 runs on n1, and its worker has not come yet");
  book.served(1);
  book.stop(3);
  told = look(15);
  REQUIRE(told.size() == 1);
  CHECK(told[0].start == 2);
  CHECK(told[0].text == "its job 12 runs on n1, for 10 s so far, and its worker has not come yet");
  book.served(2);
  CHECK(look(20).empty());
}

TEST_CASE("a job that is over before it ran has failed, in the scheduler's words") {
  job_book book({});
  book.start(0, 7);
  book.submission(0);
  book.submitted(0, "12");
  REQUIRE(book.should_look(5 * second));
  book.listed(5 * second, {{"12", {state::over, "FAILED (NonZeroExitCode)"}}});
  std::vector<job_book::event> events;
  book.take(events);
  REQUIRE(events.size() == 1);
  CHECK(events[0].what == kind::failed);
  CHECK(events[0].text == "its job 12 is over: FAILED (NonZeroExitCode)");
}

TEST_CASE("what was submitted while the queue was looked at is not missed there") {
  job_book book({});
  book.start(0, 1);
  book.submission(0);
  book.submitted(0, "12");
  REQUIRE(book.should_look(5 * second));
  book.start(5 * second, 2);
  CHECK(book.submission(5 * second) == starts{2});
  book.submitted(5 * second, "13");
  book.listed(6 * second, {});
  REQUIRE(book.should_look(8 * second));
  book.listed(8 * second, {});
  CHECK(told_of(book) == words{"failed 1"});
}

TEST_CASE("starts that come together are workers of one job, as many as it takes") {
  job_book book({.workers = 2});
  book.start(0, 1);
  CHECK(book.submission(0).empty());
  CHECK(book.next_deadline() == 20'000'000);
  book.start(1, 2);
  book.start(1, 3);
  CHECK(book.submission(1) == starts{1, 2});
  book.submitted(1, "12");
  CHECK(book.submission(1).empty());
  CHECK(book.submission(20'000'001) == starts{3});
}

TEST_CASE("only starts that need the same are one job, as many as fit into it") {
  job_book book({.workers = 4});
  job_share const two{"2 GPUs", 2}, one{"1 GPU", 4};
  book.start(0, 1, two);
  book.start(0, 2, one);
  book.start(0, 3, two);
  book.start(0, 4, two);
  CHECK(book.next_deadline() == 0);
  CHECK(book.submission(0) == starts{1, 3});
  book.refused(0, "no controller", true);
  CHECK(book.submission(second) == starts{1, 3});
  book.submitted(second, "12");
  CHECK(book.submission(second) == starts{2});
  book.submitted(second, "13");
  CHECK(book.submission(second) == starts{4});
}

TEST_CASE("no more jobs than may be there are submitted; the next one when one is over") {
  job_book book({.jobs = 1});
  book.start(0, 1);
  book.start(0, 2);
  book.submission(0);
  book.submitted(0, "12");
  CHECK(told_of(book).empty());
  for (int i = 0; i < 2; ++i) CHECK(book.submission(second).empty());
  std::vector<job_book::event> events;
  book.take(events);
  REQUIRE(events.size() == 1);
  CHECK(events[0].what == kind::waits);
  CHECK(events[0].start == 2);
  CHECK(events[0].text == "as many jobs are there as max_jobs says: 1");
  REQUIRE(book.should_look(5 * second));
  CHECK(book.submission(5 * second).empty());
  book.listed(5 * second, {{"12", {state::over, "COMPLETED"}}});
  CHECK(told_of(book) == words{"failed 1"});
  CHECK(book.submission(5 * second) == starts{2});
  book.submitted(5 * second, "13");
  CHECK(told_of(book) == words{"waits 2"});  // no longer for that
}

TEST_CASE("a scheduler that is not reached is tried again, less and less often, and told of once") {
  job_book book({});
  book.start(0, 1);
  std::int64_t now = 0;
  words told;
  for (std::int64_t const pause : {1, 2, 4, 8, 16, 30, 30}) {
    REQUIRE(book.submission(now) == starts{1});
    book.refused(now, "no controller", true);
    CHECK(book.submission(now + pause * second - 1).empty());
    for (auto& one : told_of(book)) told.push_back(std::move(one));
    now = book.next_deadline();
  }
  CHECK(told == words{"notice 0", "waits 1"});
  REQUIRE(book.submission(now) == starts{1});
  book.submitted(now, "12");
  std::vector<job_book::event> events;
  book.take(events);
  REQUIRE(events.size() == 1);
  CHECK(events[0].what == kind::waits);
  CHECK(events[0].text == "its job 12 was submitted");
  book.start(now, 2);
  CHECK(book.submission(now) == starts{2});
}

TEST_CASE("whoever is not reached for too long, or refuses, fails the start") {
  job_book book({.workers = 2, .patience = 10 * second});
  book.start(0, 1);
  book.start(0, 2);
  book.submission(0);
  book.refused(0, "no controller", true);
  CHECK(book.submission(20 * second) == starts{1, 2});
  book.refused(20 * second, "no controller", true);
  CHECK(told_of(book) == words{"notice 0", "waits 1", "waits 2", "failed 1", "failed 2"});
  book.start(0, 3);
  book.submission(30 * second);
  book.refused(30 * second, "invalid partition", false);
  CHECK(told_of(book) == words{"failed 3"});
}

TEST_CASE("one time of trouble that was too long leaves all the patience for the next one") {
  job_book book({.patience = 10 * second});
  book.start(0, 1);
  book.submission(0);
  book.refused(0, "no controller", true);
  CHECK(book.submission(20 * second) == starts{1});
  book.refused(20 * second, "no controller", true);
  CHECK(told_of(book) == words{"notice 0", "waits 1", "failed 1"});
  book.start(1000 * second, 2);
  CHECK(book.submission(1001 * second) == starts{2});
  book.refused(1001 * second, "no controller", true);
  CHECK(told_of(book) == words{"notice 0", "waits 2"});
  CHECK(book.submission(1002 * second) == starts{2});
}

TEST_CASE("a submission that may have been taken is not made again until it is known that it was not") {
  job_book book({.patience = 10 * second});
  book.start(0, 1);
  book.submission(0);
  book.doubted(0, "timed out");
  CHECK(told_of(book) == words{"notice 0", "waits 1"});
  CHECK(book.submission(second).empty());
  CHECK_FALSE(book.should_search(second - 1));
  CHECK(book.next_deadline() == second);
  CHECK(book.should_search(second));
  CHECK_FALSE(book.should_search(second));
  book.doubted(second, "no controller");
  CHECK(told_of(book) == words{"waits 1"});
  CHECK(book.should_search(3 * second));
  book.refused(3 * second, "timed out", true);  // it is not there
  CHECK(book.submission(20 * second) == starts{1});
  CHECK(told_of(book) == words{"waits 1"});
  book.doubted(20 * second, "timed out");
  CHECK(told_of(book) == words{"failed 1"});
  CHECK_FALSE(book.should_search(job_book::never));
}

TEST_CASE("a job that was in doubt and is there is adopted, or cancelled if it is not wanted") {
  job_book book({});
  book.start(0, 1);
  book.submission(0);
  book.doubted(0, "timed out");
  book.stop(1);
  CHECK(book.cancel().empty());
  CHECK(book.should_search(second));
  book.submitted(second, "12");
  CHECK(book.cancel() == "12");
}

TEST_CASE("a job is cancelled when its last worker is not wanted, also one that is just being submitted") {
  job_book book({.workers = 2});
  book.start(0, 1);
  book.start(0, 2);
  book.submission(0);
  book.stop(1);
  CHECK(told_of(book).empty());  // the job has its share of it
  book.stop(2);
  CHECK(book.cancel().empty());
  book.submitted(0, "12");
  CHECK(book.cancel() == "12");
  CHECK(book.cancel().empty());
  book.cancelled(0);
  CHECK(told_of(book).empty());  // nor is it over so far
  CHECK(book.cancel().empty());
  CHECK(book.next_deadline() == second);
  REQUIRE(book.should_look(second));
  book.listed(second, {{"12", {state::running, "COMPLETING"}}});
  CHECK(book.next_deadline() == 0);  // it has run, which is told
  CHECK(told_of(book) == words{"placed 1", "placed 2"});
  CHECK(book.next_deadline() == 2 * second);
  REQUIRE(book.should_look(2 * second));
  book.listed(2 * second, {{"12", {state::over, "CANCELLED"}}});
  CHECK(told_of(book) == words{"ended 1", "ended 2"});
  CHECK(book.ids().empty());
}

TEST_CASE("a worker of several that is not wanted counts until its job is over") {
  job_book book({.workers = 2, .jobs = 1});
  book.start(0, 1);
  book.start(0, 2);
  book.submission(0);
  book.submitted(0, "12");
  REQUIRE(book.should_look(5 * second));
  book.listed(5 * second, {{"12", {state::running, "RUNNING"}}});
  CHECK(told_of(book) == words{"placed 1", "placed 2", "waits 1", "waits 2"});
  book.stop(1);
  book.stop(1);
  CHECK(book.cancel().empty());
  CHECK(told_of(book).empty());
  book.stop(2);
  CHECK(book.cancel() == "12");
  book.already_over(6 * second);
  CHECK(told_of(book) == words{"ended 1", "ended 2"});
  CHECK(book.next_deadline() == job_book::never);
}

TEST_CASE("of a job that is refused those are tried again that are still wanted") {
  job_book book({.workers = 2});
  book.start(0, 1);
  book.start(0, 2);
  book.submission(0);
  book.stop(1);
  book.refused(0, "busy", true);
  CHECK(told_of(book) == words{"notice 0", "waits 2", "failed 1"});
  CHECK(book.submission(second) == starts{2});
}

TEST_CASE("a cancel that is refused is told, and made again when that is asked for") {
  job_book book({});
  book.start(0, 1);
  book.submission(0);
  book.submitted(0, "12");
  REQUIRE(book.should_look(5 * second));
  book.listed(5 * second, {{"12", {state::running, "RUNNING"}}});
  book.stop(1);
  CHECK(book.cancel() == "12");
  book.not_cancelled(6 * second, "no controller");
  CHECK(told_of(book) == words{"placed 1", "waits 1", "stop failed 1"});
  CHECK(book.cancel().empty());
  book.stop(1);
  CHECK(book.cancel() == "12");
  book.already_over(7 * second);
  CHECK(told_of(book) == words{"ended 1"});
}

TEST_CASE(
    "what waits and is not wanted is not submitted, and a queue that cannot be looked at changes nothing") {
  job_book book({});
  book.start(0, 1);
  book.stop(1);
  CHECK(told_of(book) == words{"failed 1"});
  CHECK(book.submission(second).empty());
  book.start(0, 2);
  book.submission(0);
  book.submitted(0, "12");
  for (std::int64_t now : {5, 10}) {
    REQUIRE(book.should_look(now * second));
    book.unlisted(now * second, "no controller");
  }
  CHECK(told_of(book) == words{"notice 0", "waits 2"});
  CHECK(book.ids() == words{"12"});
  REQUIRE(book.should_look(15 * second));
  book.listed(15 * second, {{"12", {state::waiting, "PENDING (Priority)"}}});
  CHECK(told_of(book) == words{"waits 2"});  // what is known again
}

TEST_CASE("what cannot be started where it was placed is cancelled, and ends with the reason") {
  job_book book({.workers = 2});
  book.start(0, 7);
  book.start(0, 8);
  CHECK(book.submission(0) == starts{7, 8});
  book.submitted(0, "12");
  REQUIRE(book.should_look(5 * second));
  book.listed(5 * second, {{"12", {state::running, "RUNNING", "n2"}}});
  std::vector<job_book::event> events;
  book.take(events);
  REQUIRE(events.size() == 4);  // and that their workers have not come yet
  CHECK(events[1].job == "12");
  CHECK(events[1].where == "n2");
  book.give_up(0, 7, "its glibc is too old");
  CHECK(told_of(book) == words{"notice 0"});  // the node is left out
  CHECK(book.cancel().empty());               // the other one goes on
  book.give_up(0, 8, "its glibc is too old");
  CHECK(book.cancel() == "12");
  book.already_over(6 * second);
  events.clear();
  book.take(events);
  REQUIRE(events.size() == 2);
  CHECK(events[0].what == kind::ended);
  CHECK(events[0].text == "its glibc is too old\nits job 12 was over");
}

namespace {

using nodes = std::vector<std::string>;

// A start that is submitted as `id`, and the nodes that its job is not to run on.
nodes submit(job_book& book, std::int64_t now, std::uint64_t start, std::string const& id) {
  book.start(now, start);
  REQUIRE(book.submission(now) == starts{start});
  auto const excluded = book.excluded();
  book.submitted(now, id);
  return excluded;
}

void look(job_book& book, std::int64_t now, std::string const& id, job_book::seen const& is) {
  REQUIRE(book.should_look(now));
  book.listed(now, {{id, is}});
}

job_book::seen failed_on(std::string const& node) {
  return {.is = state::over, .words = "FAILED (NonZeroExitCode)", .where = node, .has_failed = true};
}

}  // namespace

TEST_CASE("a node on which a start has failed is left out of what is submitted, and for longer each time") {
  job_book book({});
  CHECK(submit(book, 0, 1, "11").empty());
  look(book, 5 * second, "11", failed_on("n1"));
  std::vector<job_book::event> events;
  book.take(events);
  REQUIRE(events.size() == 2);
  CHECK(events[0].what == kind::failed);
  CHECK(events[1].what == kind::notice);
  CHECK(events[1].text ==
        "on n1 a start has failed, and for 60 s no job is submitted to it where there is another node:\n"
        "its job 11: FAILED (NonZeroExitCode)");
  CHECK(submit(book, 6 * second, 2, "12") == nodes{"n1"});
  look(book, 10 * second, "12", {.is = state::waiting, .words = "PENDING (Resources)"});
  events.clear();
  book.take(events);
  REQUIRE(events.size() == 1);
  CHECK(events[0].text ==
        "its job 12 waits: PENDING (Resources); it is not for n1, where starts have failed");
  look(book, 15 * second, "12", {.is = state::running, .words = "RUNNING", .where = "n2"});
  book.served(2);
  book.stop(2);
  REQUIRE(book.cancel() == "12");
  book.already_over(20 * second);
  CHECK(submit(book, 65 * second, 3, "13").empty());  // it may have been mended
  look(book, 70 * second, "13", failed_on("n1"));
  CHECK(submit(book, 189 * second, 4, "14") == nodes{"n1"});
  look(book, 194 * second, "14", failed_on("n2"));
  CHECK(submit(book, 195 * second, 5, "15") == nodes{"n2"});
}

TEST_CASE("whose worker has come, or whose job ended otherwise, is not taken for a bad node") {
  job_book book({});
  submit(book, 0, 1, "11");
  book.served(1);  // before the queue was looked at
  look(book, 5 * second, "11", failed_on("n1"));
  CHECK(submit(book, 6 * second, 2, "12").empty());
  look(book, 10 * second, "12", {.is = state::over, .words = "CANCELLED (None)", .where = "n1"});
  CHECK(submit(book, 11 * second, 3, "13").empty());
  look(book, 15 * second, "13", failed_on("n1"));
  submit(book, 16 * second, 4, "14");
  look(book, 20 * second, "14", {.is = state::running, .words = "RUNNING", .where = "n1"});
  book.served(4);  // it was submitted before, say
  CHECK(submit(book, 21 * second, 5, "15").empty());
}

TEST_CASE("what was placed and given up counts against its node") {
  job_book book({});
  submit(book, 0, 1, "11");
  look(book, 5 * second, "11", {.is = state::running, .words = "RUNNING", .where = "n1"});
  book.give_up(10 * second, 1, "its glibc is too old");
  CHECK(submit(book, 11 * second, 2, "12") == nodes{"n1"});
}

TEST_CASE("where the other nodes are down for a minute, jobs go to those again on which starts have failed") {
  job_book book({});
  submit(book, 0, 1, "11");
  look(book, 5 * second, "11", failed_on("n1"));
  CHECK(submit(book, 70 * second, 2, "12").empty());
  look(book, 75 * second, "12", failed_on("n1"));  // for two minutes now
  REQUIRE(submit(book, 76 * second, 3, "13") == nodes{"n1"});
  job_book::seen const down{.is = state::waiting, .words = "PENDING (ReqNodeNotAvail)", .lacks_nodes = true};
  auto at = 80 * second;
  look(book, at, "13", down);
  look(book, at += 5 * second, "13", {state::waiting, "PENDING (Priority)"});
  for (int i = 0; i < 12; ++i) {
    look(book, at += 5 * second, "13", down);
    CHECK(book.cancel().empty());
  }
  look(book, at += 5 * second, "13", down);
  CHECK(book.cancel() == "13");
}

TEST_CASE("a job that still waits goes to a node again when that is left out no longer") {
  job_book book({});
  submit(book, 0, 1, "11");
  look(book, 5 * second, "11", failed_on("n1"));
  REQUIRE(submit(book, 6 * second, 2, "12") == nodes{"n1"});
  job_book::seen const full{state::waiting, "PENDING (Resources)"};
  look(book, 60 * second, "12", full);
  CHECK(book.cancel().empty());
  look(book, 66 * second, "12", full);
  SUBCASE("it is submitted anew") {
    REQUIRE(book.cancel() == "12");
    book.cancelled(66 * second);
    told_of(book);
    look(book, 67 * second, "12", {state::over, "CANCELLED (None)"});
    CHECK(told_of(book).empty());
    REQUIRE(book.submission(67 * second) == starts{2});
    CHECK(book.excluded().empty());
  }
  SUBCASE("unless it has found another one just then") {
    look(book, 71 * second, "12", {.is = state::running, .words = "RUNNING", .where = "n2"});
    CHECK(book.cancel().empty());
  }
}

TEST_CASE("where there is no other node, jobs go to those again on which starts have failed") {
  job_book book({});
  submit(book, 0, 1, "11");
  look(book, 5 * second, "11", failed_on("n1"));
  told_of(book);
  SUBCASE("as it is refused") {
    book.start(6 * second, 2);
    REQUIRE(book.submission(6 * second) == starts{2});
    REQUIRE(book.excluded() == nodes{"n1"});
    book.refused(6 * second, "Requested node configuration is not available", false);
    CHECK(told_of(book) == words{"notice 0"});
    REQUIRE(book.submission(6 * second) == starts{2});
    CHECK(book.excluded().empty());
    book.refused(6 * second, "Requested node configuration is not available", false);
    CHECK(told_of(book) == words{"failed 2"});
  }
  SUBCASE("as the job would wait for ever") {
    REQUIRE(submit(book, 6 * second, 2, "12") == nodes{"n1"});
    auto const hopeless = job_book::seen{state::waiting, "PENDING (BadConstraints)", "", true};
    auto at = 10 * second;
    look(book, at, "12", hopeless);
    look(book, at += 5 * second, "12", hopeless);
    REQUIRE(book.cancel() == "12");
    book.cancelled(at);
    told_of(book);
    look(book, at += second, "12", {state::over, "CANCELLED (None)"});
    CHECK(told_of(book).empty());  // it has not failed
    REQUIRE(book.submission(at) == starts{2});
    CHECK(book.excluded().empty());
    book.submitted(at, "13");
    told_of(book);
    look(book, at += 5 * second, "13", failed_on("n1"));
    CHECK(told_of(book) == words{"failed 2"});
    CHECK(submit(book, at, 3, "14").empty());  // for half an hour
  }
}

TEST_CASE("at most 16 nodes are left out, and a cancel that is refused leaves the job as it is") {
  excluded_nodes excluded;
  for (int i = 0; i < 20; ++i) excluded.failed(i, "n" + std::to_string(i));
  CHECK(excluded.at(20).size() == excluded_nodes::most);
  CHECK(excluded.failed(20, "n0") == 0);
  for (int i = 0; i < 10; ++i) excluded.failed((i + 1) * 3600 * second, "n0");
  CHECK(excluded.failed(11 * 3600 * second, "n0") == 60 * second);  // all of it is long ago

  job_book book({});
  submit(book, 0, 1, "11");
  look(book, 5 * second, "11", failed_on("n1"));
  submit(book, 6 * second, 2, "12");
  job_book::seen const hopeless{state::waiting, "PENDING (BadConstraints)", "", true};
  look(book, 10 * second, "12", hopeless);
  look(book, 15 * second, "12", hopeless);
  REQUIRE(book.cancel() == "12");
  told_of(book);
  book.not_cancelled(15 * second, "Access denied");
  CHECK(told_of(book).empty());
  look(book, 20 * second, "12", {.is = state::running, .words = "RUNNING", .where = "n2"});
  CHECK(told_of(book) == words{"placed 2", "waits 2"});
  CHECK(book.cancel().empty());
}

TEST_CASE(
    "a job that waits in vain and cannot be cancelled is told of once, and cancelled more and more seldom") {
  job_book book({});
  submit(book, 0, 1, "11");
  look(book, 5 * second, "11", failed_on("n1"));
  submit(book, 6 * second, 2, "12");
  told_of(book);
  job_book::seen const waits{state::waiting, "PENDING (BadConstraints)", "", true};
  std::vector<std::int64_t> cancels;
  words told;
  for (std::int64_t now = 10; now <= 3'610; now += 5) {
    look(book, now * second, "12", waits);
    if (book.cancel() == "12") {
      cancels.push_back(now);
      book.not_cancelled(now * second, "Access denied");
    }
    for (auto& one : told_of(book)) told.push_back(std::move(one));
  }
  REQUIRE(cancels.size() >= 3);
  CHECK(cancels.size() < 15);
  CHECK(cancels[1] - cancels[0] == 10);
  CHECK(cancels[2] - cancels[1] == 20);
  CHECK(cancels.back() - cancels[cancels.size() - 2] == 600);
  CHECK(std::count(told.begin(), told.end(), "notice 0") == 1);
}
