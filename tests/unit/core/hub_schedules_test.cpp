// SPDX-License-Identifier: Apache-2.0
//
// Schedules that a hub keeps in its journal: when it makes their calls, and what a hub makes of them that is
// started anew.
#include "src/core/schedule_record.hpp"
#include "tests/unit/core/durable_scene.hpp"

#include <random>
#include <set>

namespace yonder::core::test::durables::schedules {
namespace {

constexpr std::int64_t ahead = 1'800'000'000 * second;

schedule_terms every_ten(missed_policy missed = missed_policy::once,
                         overlap_policy overlap = overlap_policy::skip) {
  schedule_terms terms;
  terms.name = "often";
  terms.when = "every 10 s";
  terms.period = 10 * second;
  terms.missed = missed;
  terms.overlap = overlap;
  return terms;
}

void tell_time(raw_hub& hub) { hub.core.set_clock(hub.now, hub.now + ahead); }

void ask(raw_peer& by, std::uint64_t number, schedule_terms const& terms, std::size_t payload = 1) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", {}, {});
  write_schedule(body, encode_terms(terms));
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(payload);
  message.body = std::move(body);
  by.say(std::move(message));
}

std::uint64_t id_in(std::vector<frame> const& answers) {
  std::uint64_t id = 0;
  if (type_of_only(answers) != frame_type::result) return 0;
  field_reader from(answers[0].payload());
  from.take(id);
  return id;
}

std::vector<frame> order(raw_peer& by, std::uint64_t number, std::string_view what,
                         std::string const& payload) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  byte_buffer body;
  write_call(body, what, {.idempotent = true}, {});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(payload.data(), payload.size());
  message.body = std::move(body);
  by.say(std::move(message));
  return by.received();
}

std::vector<kept_schedule_row> rows_for(raw_peer& by, std::uint64_t number) {
  std::vector<kept_schedule_row> rows;
  auto const answers = order(by, number, list_schedules, {});
  REQUIRE(type_of_only(answers) == frame_type::result);
  REQUIRE(decode_schedules(answers[0].payload(), rows));
  return rows;
}

// A hub that is killed and started anew, its clocks, and what its only worker was given.
class site {
 public:
  explicit site(std::uint32_t concurrency = 1) : concurrency_(concurrency) { start(); }

  std::uint64_t keep(schedule_terms const& terms, std::size_t payload = 1) {
    client->received();
    ask(*client, ++number_, terms, payload);
    CHECK(client->received().empty());
    journal.sync(*hub);
    return id_in(client->received());
  }
  kept_schedule_row row() {
    auto const rows = rows_for(*client, ++number_);
    return rows.size() == 1 ? rows.front() : kept_schedule_row();
  }
  bool change(std::uint64_t id, schedule_change what) {
    auto answers = order(*client, ++number_, tell_schedule, encode_change(id, what));
    if (answers.empty()) {
      journal.sync(*hub);
      answers = client->received();
    }
    return id_in(answers) == id;
  }
  // Calls that begin within that time; they end at once where `answers`.
  std::size_t pass(duration time, bool answers = true) {
    std::size_t begun = 0;
    auto const until = hub->now + time;
    do {
      hub->wait(std::min<duration>(second, until - hub->now));
      client->acknowledge(0);
      worker->acknowledge(0);
      begun += work(answers);
    } while (hub->now < until);
    return begun;
  }
  std::size_t work(bool answers = true) {
    std::size_t begun = 0;
    for (bool more = true; more;) {
      journal.sync(*hub);
      more = false;
      for (auto const& one : worker->received()) {
        if (one.head.type != frame_type::assign) continue;
        ++begun;
        CHECK(given.insert(one.head.call).second);
        if (answers) worker->answer(one.head, 3);
        if (!answers) busy.push_back(one.head);
        more = true;
      }
    }
    return begun;
  }
  void kill(duration away = 0, std::size_t records = ~std::size_t{0}) {
    if (records < journal.lines.size()) {
      journal.lines.resize(records);
      journal.last = records;
    }
    auto const then = hub->now + away;
    busy.clear();
    start(then);
  }

  memory_journal journal;
  std::unique_ptr<raw_hub> hub;
  std::unique_ptr<raw_peer> client, worker;
  std::set<call_id> given;
  std::vector<header> busy;

 private:
  void start(time_point now = 1'000 * second) {
    client.reset();
    worker.reset();
    hub = std::make_unique<raw_hub>(with_journal());
    hub->now = now;
    tell_time(*hub);
    journal.tell(*hub);
    worker = std::make_unique<raw_peer>(*hub, 1, ++session_, in_process);
    client = std::make_unique<raw_peer>(*hub, 2, ++session_, with_key("one"));
    REQUIRE(worker->hello(peer_role::worker, offers_f(), 1, 0, concurrency_));
    REQUIRE(client->hello(peer_role::client));
  }
  std::uint32_t concurrency_;
  std::uint64_t session_ = 900, number_ = 0;
};

}  // namespace

TEST_CASE("a schedule is told to its maker when it is on disk, and its calls are made when they are due") {
  site at;
  auto const id = at.keep(every_ten());
  CHECK(is_kept_schedule(id));
  CHECK(at.pass(9 * second) == 0);
  CHECK(at.pass(1 * second) == 1);
  CHECK(at.pass(30 * second) == 3);
  auto const row = at.row();
  CHECK(row.row.id == id);
  CHECK(row.row.name == "often");
  CHECK(row.task == "f");
  CHECK(row.row.runs == 4);
  CHECK(row.row.running == 0);
  CHECK(row.row.next == at.hub->now + ahead + 10 * second);
  CHECK(at.hub->core.census().kept == 1);  // the last one's outcome
  find(*at.client, 90, {id, 4});
  CHECK(type_of_only(at.client->received()) == frame_type::result);
}

TEST_CASE("a hub that is started anew goes on as if nothing had happened") {
  site at;
  auto const id = at.keep(every_ten());
  at.pass(15 * second);
  at.kill(3 * second);
  CHECK(at.row().row.id == id);
  CHECK(at.row().row.runs == 1);
  CHECK(at.pass(1 * second) == 0);
  CHECK(at.pass(1 * second) == 1);
  CHECK(at.change(id, schedule_change::pause));
  at.kill();
  CHECK(at.row().row.paused);
  CHECK(at.pass(30 * second) == 0);
  CHECK(at.change(id, schedule_change::resume));
  CHECK(at.pass(10 * second) == 1);
  CHECK(at.change(id, schedule_change::fire));
  CHECK(at.work() == 1);
  CHECK(at.change(id, schedule_change::stop));
  CHECK_FALSE(at.change(id, schedule_change::fire));
  at.kill();
  CHECK(at.row().row.id == 0);
  CHECK(at.pass(30 * second) == 0);
}

TEST_CASE("what is missed while no hub runs is made up for as the schedule says") {
  for (auto const& [missed, runs, skipped] :
       {std::tuple(missed_policy::once, 1U, 0U), std::tuple(missed_policy::skip, 1U, 4U),
        std::tuple(missed_policy::all, 5U, 0U)}) {
    site at;
    at.keep(every_ten(missed));
    CHECK(at.pass(5 * second) == 0);
    at.kill(46 * second);  // a second behind the fifth time
    CHECK(at.pass(second) == runs);
    CHECK(at.row().row.skipped == skipped);
    CHECK(at.pass(8 * second) == 1);
  }
}

TEST_CASE("a call that goes on while its hub is started anew is the schedule's still") {
  site at;
  at.keep(every_ten(missed_policy::once, overlap_policy::skip));
  CHECK(at.pass(10 * second, false) == 1);
  CHECK(at.row().row.running == 1);
  CHECK(at.pass(10 * second, false) == 0);
  CHECK(at.row().row.skipped == 1);
  at.kill(3 * second);  // it may have run, and its worker does not come back: it is not made again
  CHECK(at.pass(9 * second) == 0);
  CHECK(at.row().row.running == 1);
  CHECK(at.row().row.skipped == 2);
  CHECK(at.pass(3 * second) == 0);
  CHECK(at.row().row.running == 0);
  CHECK(at.row().failed == 1);
  CHECK(at.row().last_error.find("unknown") != std::string::npos);
  CHECK(at.pass(6 * second) == 1);
}

TEST_CASE("a schedule that is made again under its name is the same one, with its new terms") {
  site at;
  auto const id = at.keep(every_ten());
  at.pass(5 * second);
  ask(*at.client, 80, every_ten());
  CHECK(id_in(at.client->received()) == id);  // nothing is new
  CHECK(at.pass(5 * second) == 1);
  auto terms = every_ten();
  terms.period = 3 * second;
  CHECK(at.keep(terms) == id);
  CHECK(at.pass(3 * second) == 1);
  CHECK(at.keep(terms, 5) == id);
  at.kill();
  CHECK(at.pass(3 * second) == 1);
  CHECK(at.row().row.runs == 3);
  terms.name = "another";
  CHECK(at.keep(terms) != id);
}

TEST_CASE("a line of a crontab goes by the wall clock, also where that is set") {
  site at;
  schedule_terms terms;
  terms.name = "hourly";
  terms.line = "0 * * * *";
  terms.when = "0 * * * * UTC";
  at.keep(terms);
  auto const to_hour = 3600 * second - (at.hub->now + ahead) % (3600 * second);
  CHECK(at.pass(to_hour - second) == 0);
  CHECK(at.pass(second) == 1);
  at.hub->core.set_clock(at.hub->now, at.hub->now + ahead + 5 * 3600 * second);
  CHECK(at.pass(0) == 1);  // once for all of them
  CHECK(at.row().row.runs == 2);
}

TEST_CASE("promise 20: a schedule is its credential's, or an operator's; it ends with the credential") {
  site at;
  auto const id = at.keep(every_ten());
  raw_peer other(*at.hub, 3, 301, with_key("two"));
  REQUIRE(other.hello(peer_role::client));
  CHECK(rows_for(other, 1).empty());
  CHECK(id_in(order(other, 2, tell_schedule, encode_change(id, schedule_change::stop))) == 0);
  ask(other, 3, every_ten());
  at.journal.sync(*at.hub);
  CHECK(id_in(other.received()) != id);
  raw_peer boss(*at.hub, 4, 302, {.reliable = true, .identity = "boss", .is_operator = true});
  REQUIRE(boss.hello(peer_role::client));
  CHECK(rows_for(boss, 1).size() == 2);
  at.hub->core.revoked(at.hub->now, "two", "its key was revoked", at.hub->out);
  CHECK(rows_for(boss, 2).size() == 1);
  at.kill();
  CHECK(at.row().row.id == id);
}

TEST_CASE("a hub without a journal keeps no schedule, and what is none is refused in words") {
  raw_hub hub;
  raw_peer client(hub, 1, 100, in_process);
  REQUIRE(client.hello(peer_role::client));
  ask(client, 1, every_ten());
  CHECK(failure_in(client.received().at(0)).code == errc::unsatisfiable);
  site at;
  auto terms = every_ten();
  terms.period = 0;
  terms.line = "0 25 * * *";
  ask(*at.client, 1, terms);
  auto const refused = failure_in(at.client->received().at(0));
  CHECK(refused.code == errc::bad_configuration);
  CHECK(refused.message.find("its hour is '25'") != std::string::npos);
  terms.line = "";
  ask(*at.client, 2, terms);
  CHECK(failure_in(at.client->received().at(0)).code == errc::protocol_violation);
}

TEST_CASE("promise 17: whatever is killed and whenever, each time is run once and none is lost") {
  for (unsigned seed = 0; seed < 40; ++seed) {
    std::mt19937 random(seed);
    site at(4);
    auto const begin = at.hub->now;
    at.keep(every_ten(missed_policy::all, overlap_policy::allow));
    auto on_disk = at.journal.lines.size();
    for (int step = 0; step < 60; ++step) {
      auto const dice = random() % 10;
      if (dice < 5) {
        at.hub->wait(static_cast<duration>(random() % 9) * second);
        at.client->acknowledge(0);
        at.worker->acknowledge(0);
      } else if (dice < 7) {
        at.work(random() % 3 != 0);
        on_disk = at.journal.lines.size();
      } else if (dice < 9) {
        at.journal.write(*at.hub);
      } else {
        at.journal.write(*at.hub);
        auto const tail = at.journal.lines.size() - on_disk;
        at.kill(static_cast<duration>(random() % 30) * second, on_disk + random() % (tail + 1));
        on_disk = at.journal.lines.size();
      }
    }
    for (int round = 0; round < 3; ++round) {
      at.pass(11 * second);  // no worker has come back
      for (auto const& one : std::exchange(at.busy, {})) at.worker->answer(one, 1);
    }
    CAPTURE(seed);
    auto const due = static_cast<std::uint64_t>((at.hub->now - begin) / (10 * second));
    CHECK(at.row().row.runs == due);
    CHECK(at.row().row.running == 0);
  }
}

}  // namespace yonder::core::test::durables::schedules
