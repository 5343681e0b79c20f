// SPDX-License-Identifier: Apache-2.0
//
// Tasks that are called with the outcomes of durable calls.
#include "src/core/callbacks.hpp"
#include "tests/unit/core/durable_scene.hpp"

namespace yonder::core::test::durables {
namespace {

byte_buffer callback_metadata(std::string_view function, call_policy policy = durable_and_repeatable) {
  byte_buffer body;
  write_call(body, function, policy, {});
  return body;
}

// Of "f", whose callback is "g".
void call_with_callback(raw_peer& by, std::uint64_t number, bool of_any_outcome, call_policy policy = durable,
                        std::uint64_t signature = 9, byte_buffer const& metadata = callback_metadata("g")) {
  frame message;
  message.head.type = frame_type::call;
  message.head.call = {by.session, number};
  message.head.signature = 7;
  byte_buffer body;
  write_call(body, "f", policy, {});
  write_callback(body, {of_any_outcome, signature, 0, metadata.bytes()});
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.extend(1);
  message.body = std::move(body);
  by.say(std::move(message));
}

std::vector<function_info> offers_f_and_g() { return {{"f", 7, "takes f"}, {"g", 9, "takes g"}}; }

struct callback_scene {
  memory_journal journal;
  raw_hub hub{with_journal()};
  raw_peer worker{hub, 1, 900, in_process};
  raw_peer client{hub, 2, 100, with_key("one")};
  callback_scene() {
    REQUIRE(worker.hello(peer_role::worker, offers_f_and_g()));
    REQUIRE(client.hello(peer_role::client));
  }
};

frame assignment(raw_peer& worker) {
  for (auto& one : worker.received())
    if (one.head.type == frame_type::assign) return std::move(one);
  return {};
}

std::string function_of(frame const& assigned) {
  call_message said;
  REQUIRE(read_call(assigned.metadata(), said));
  return std::string(said.function);
}

}  // namespace

TEST_CASE("a callback is made with the value of its call, once that is on disk") {
  callback_scene s;
  call_with_callback(s.client, 1, false);
  s.journal.sync(s.hub);
  s.worker.answer(assigned_to(s.worker), 3);
  CHECK(s.worker.received().empty());
  auto const records = s.hub.take<out::append>();
  REQUIRE(records.size() == 2);
  CHECK(records[0].what == out::append::kind::call);
  CHECK(records[0].call == callback_id({100, 1}));
  CHECK(records[0].with_next);
  CHECK(records[0].identity == "one");
  CHECK(records[1].what == out::append::kind::ended);
  CHECK_FALSE(records[1].with_next);
  s.hub.core.synced(s.hub.now, records[0].record, s.hub.out);
  CHECK(s.worker.received().empty());      // the outcome's record follows
  CHECK(s.client.received().size() == 1);  // accepted
  s.hub.core.synced(s.hub.now, records[1].record, s.hub.out);
  CHECK(type_of_only(s.client.received()) == frame_type::result);
  auto const made = assignment(s.worker);
  REQUIRE(made.head.call == callback_id({100, 1}));
  CHECK(function_of(made) == "g");
  CHECK(made.payload().size() == 3);
  find(s.client, 2, callback_id({100, 1}));
  s.worker.answer(made.head, 5);
  s.journal.last = records[1].record;
  s.journal.sync(s.hub);
  auto const found = s.client.received();
  REQUIRE(type_of_only(found) == frame_type::result);
  CHECK(found[0].payload().size() == 5);
}

TEST_CASE("a hub that begins anew has the callback where it has the outcome, and nothing of it where not") {
  callback_scene s;
  call_with_callback(s.client, 1, false, durable_and_repeatable);
  s.journal.sync(s.hub);
  auto const lines = s.journal.lines;
  s.worker.answer(assigned_to(s.worker), 3);
  s.journal.write(s.hub);
  for (auto const has_outcome : {false, true}) {
    CAPTURE(has_outcome);
    memory_journal known = s.journal;
    if (!has_outcome) known.lines = lines;
    raw_hub next(with_journal());
    known.tell(next);
    raw_peer worker(next, 6, 901, in_process);
    REQUIRE(worker.hello(peer_role::worker, offers_f_and_g()));
    auto const made = assignment(worker);
    CHECK(function_of(made) == (has_outcome ? "g" : "f"));
  }
}

TEST_CASE("a callback of values is not made for a failure; one of any outcome is told of it") {
  callback_scene s;
  call_with_callback(s.client, 1, false);
  s.journal.sync(s.hub);
  s.worker.fail(100, assigned_to(s.worker).call.number, errc::failed);
  CHECK(s.journal.sync(s.hub) == 1);
  CHECK(s.hub.core.census().calls == 0);
  call_with_callback(s.client, 2, true);
  s.journal.sync(s.hub);
  s.worker.fail(100, assigned_to(s.worker).call.number, errc::failed);
  s.journal.sync(s.hub);
  auto const made = assignment(s.worker);
  REQUIRE(made.head.call == callback_id({100, 2}));
  auto const told = made.payload();
  CHECK(load_le<std::uint64_t>(told.data()) == 100);
  CHECK(load_le<std::uint64_t>(told.data() + 8) == 2);
  CHECK(load_le<std::uint16_t>(told.data() + 16) == static_cast<std::uint16_t>(errc::failed));
  CHECK(told.back() == std::byte{0});
}

TEST_CASE("a callback of any outcome is told of a cancel, too; one of values is not") {
  callback_scene s;
  for (auto const any : {true, false}) {
    CAPTURE(any);
    std::uint64_t const number = any ? 1 : 2;
    call_with_callback(s.client, number, any);
    s.journal.sync(s.hub);
    REQUIRE(assigned_to(s.worker).call.number == number);
    s.client.cancel(number);
    s.journal.sync(s.hub);
    s.worker.fail(100, number, errc::cancelled);
    s.journal.sync(s.hub);
    auto const made = assignment(s.worker);
    CHECK((made.head.type == frame_type::assign && made.head.call == callback_id({100, number})) == any);
    if (!any) continue;
    CHECK(load_le<std::uint16_t>(made.payload().data() + 16) == static_cast<std::uint16_t>(errc::cancelled));
    s.worker.answer(made.head, 1);
    s.journal.sync(s.hub);
  }
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("callbacks of callbacks have ids of their own") {
  callback_scene s;
  auto metadata = callback_metadata("g");
  write_callback(metadata, {false, 7, 0, callback_metadata("f").bytes()});
  call_with_callback(s.client, 1, false, durable, 9, metadata);
  auto id = call_id{100, 1};
  for (auto const* const function : {"f", "g", "f"}) {
    s.journal.sync(s.hub);
    auto const made = assignment(s.worker);
    CHECK(function_of(made) == function);
    CHECK(made.head.call == id);
    id = callback_id(id);
    s.worker.answer(made.head, 2);
  }
  s.journal.sync(s.hub);
  CHECK(s.hub.core.census().calls == 0);
  CHECK(s.hub.core.census().kept == 3);
}

TEST_CASE("a callback that does not fit is refused with its call, in words") {
  callback_scene s;
  auto const refused = [&](std::uint64_t number) {
    s.journal.sync(s.hub);
    for (auto const& one : s.client.received())
      if (one.head.call.number == number && one.head.type == frame_type::error) return failure_in(one);
    FAIL("it was taken");
    return failure{};
  };
  call_with_callback(s.client, 1, false, {});
  CHECK(refused(1).code == errc::bad_configuration);
  call_with_callback(s.client, 2, false, durable, 10);
  auto const misfit = refused(2);
  CHECK(misfit.code == errc::signature_mismatch);
  CHECK(misfit.message.find("its callback does not take what the call returns") == 0);
  CHECK(misfit.message.find("takes g") != std::string::npos);
  call_with_callback(s.client, 3, false, durable, 9, callback_metadata("g", {}));
  CHECK(refused(3).code == errc::protocol_violation);
  auto deep = callback_metadata("g");
  for (std::size_t i = 0; i < most_callbacks; ++i) {
    auto next = callback_metadata("g");
    write_callback(next, {false, 9, 0, deep.bytes()});
    deep = std::move(next);
  }
  call_with_callback(s.client, 4, false, durable, 9, deep);
  CHECK(refused(4).code == errc::bad_configuration);
  CHECK(s.hub.core.census().calls == 0);
}

TEST_CASE("a client that calls under a callback's number is sent away") {
  callback_scene s;
  s.client.call(first_callback + 1, durable);
  auto const said = s.client.received();
  REQUIRE_FALSE(said.empty());
  CHECK(said.back().head.type == frame_type::bye);
}

}  // namespace yonder::core::test::durables
