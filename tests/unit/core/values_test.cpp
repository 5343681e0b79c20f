// SPDX-License-Identifier: Apache-2.0
// Values that stay where they were made: what frames say of them, who has references, and their way through
// the hub.
#include "src/core/values.hpp"

#include "src/core/composition.hpp"
#include "src/core/value_table.hpp"
#include "tests/unit/core/loopback.hpp"

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

using namespace yonder::core;
using test::bytes_of;
using test::loopback;
using test::text_of;
using yonder::errc;

namespace {

frame call_with(std::string_view payload, std::span<referred_argument const> arguments) {
  frame made;
  byte_buffer body;
  write_call(body, "f", {}, {});
  if (!arguments.empty()) write_referred(body, arguments);
  made.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(payload.data(), payload.size());
  made.body = std::move(body);
  return made;
}

std::span<std::byte const> bytes_in(std::string const& text) { return std::as_bytes(std::span(text)); }

struct sharing {
  loopback net;
  loopback::client_end& owner;
  loopback::client_end& reader;

  explicit sharing(bool reliable = true)
      : net({}, reliable), owner(net.add_client()), reader(net.add_client()) {}

  static std::uint64_t session_of(loopback::client_end const& end, loopback& net) {
    return net.submit(const_cast<loopback::client_end&>(end), encode_drops({}), {}, drop_values, 0).session;
  }
  call_id ask(loopback::client_end& from, std::string_view what, std::string const& payload) {
    return net.submit(from, payload, {}, what, 0);
  }
  // A hub answers the first one at once.
  call_id serve() {
    auto const first = ask(owner, serve_values, {});
    auto const said = events(first);
    return said && said->wishes.empty() && said->unused.empty() ? ask(owner, serve_values, {}) : first;
  }
  std::optional<value_events> events(call_id served) {
    auto const found = owner.outcomes.find(served.number);
    if (found == owner.outcomes.end()) return std::nullopt;
    value_events said;
    REQUIRE(found->second.ok());
    REQUIRE(decode_events(found->second.value().payload(), said));
    return said;
  }
};

}  // namespace

TEST_CASE("what is said of values comes back, and is refused where it is cut off or too much") {
  value_wish wish{{1, 2}, 3, 4}, got;
  auto const text = encode_wish(wish);
  REQUIRE(decode_wish(bytes_in(text), got));
  CHECK(got.key == wish.key);
  CHECK(got.size == 4);
  CHECK_FALSE(decode_wish(bytes_in(text.substr(1)), got));
  CHECK_FALSE(decode_wish(bytes_in(encode_wish({{1, 2}, 3, value_piece + 1})), got));
  CHECK_FALSE(decode_wish(bytes_in(encode_wish({{1, 2}, 3, 0})), got));

  value_events const events{{{1, 2, 3, 4}, {5, 6, 7, 8}}, {9, 10}};
  value_events told;
  REQUIRE(decode_events(bytes_in(encode_events(events)), told));
  CHECK(told.wishes == events.wishes);
  CHECK(told.unused == events.unused);
  value_events cut;
  CHECK_FALSE(decode_events(bytes_in(encode_events(events).substr(0, 40)), cut));

  std::vector<value_drop> const drops{{{1, 2}, 3, true}, {{4, 5}, 6, false}};
  std::vector<value_drop> dropped;
  REQUIRE(decode_drops(bytes_in(encode_drops(drops)), dropped));
  REQUIRE(dropped.size() == 2);
  CHECK(dropped[0].of_owner);
  CHECK(dropped[1].key == value_key{4, 5});
  std::vector<value_drop> more;
  CHECK_FALSE(decode_drops(bytes_in(encode_drops(std::vector<value_drop>(max_drops + 1))), more));

  value_hold hold{{1, 2}, {{3, 4}}}, held;
  REQUIRE(decode_hold(bytes_in(encode_hold(hold)), held));
  CHECK(held.call == hold.call);
  CHECK(held.keys == hold.keys);
  value_hold much{{1, 2}, std::vector<value_key>(max_references + 1)}, nothing;
  CHECK_FALSE(decode_hold(bytes_in(encode_hold(much)), nothing));

  std::vector<value_key> const keys{{1, 2}, {3, 4}};
  byte_buffer body;
  write_references(body, keys);
  std::vector<value_key> read;
  REQUIRE(read_references(body, read));
  CHECK(read == keys);
}

TEST_CASE("values come into a call in place of the byte that stands for each") {
  std::vector<referred_argument> const arguments{{{{1, 2}, 3, 4}, 1, 0}, {{{5, 6}, 7, 8}, 3, 0}};
  auto const message = call_with("(?,?)", arguments);
  std::vector<referred_argument> read;
  REQUIRE(read_referred(message, read));
  REQUIRE(read.size() == 2);
  CHECK(read[1].value.key == value_key{5, 6});
  CHECK(read[1].value.checksum == 8);
  std::string const one = "one", two = "two";
  std::vector<referred_value> const values{{read[0], bytes_in(one), {}}, {read[1], bytes_in(two), {}}};
  auto const whole = with_referred(message, values);
  CHECK(text_of(whole.payload()) == "(one,two)");
  std::vector<referred_argument> nothing;
  CHECK(read_referred(whole, nothing));
  CHECK(nothing.empty());
}

TEST_CASE("a place outside of the call, or before the one before it, is refused") {
  auto const refused = [](std::vector<referred_argument> const& arguments) {
    std::vector<referred_argument> read;
    return !read_referred(call_with("(?)", arguments), read);
  };
  CHECK(refused({{{}, 3, 0}}));
  CHECK(refused({{{}, 1, 1}}));
  CHECK(refused({{{}, 1, 0}, {{}, 1, 0}}));
  CHECK(refused({{{}, 2, 0}, {{}, 0, 0}}));
  CHECK_FALSE(refused({{{}, 2, 0}}));
}

TEST_CASE("what stands behind the value of another call moves on with it") {
  std::vector<referred_argument> const arguments{{{{1, 2}, 0, 0}, 0, 0}, {{{3, 4}, 0, 0}, 2, 0}};
  auto const message = call_with("?,?", arguments);
  std::string const value = "value";
  std::vector<argument_value> const values{
      {{1, 1, 0, false}, bytes_in(value), {}}};  // between the first and ","
  auto const composed = compose(message, values);
  CHECK(text_of(composed.payload()) == "?value,?");
  std::vector<referred_argument> read;
  REQUIRE(read_referred(composed, read));
  REQUIRE(read.size() == 2);
  CHECK(read[0].offset == 0);
  CHECK(read[1].offset == 7);
}

TEST_CASE("a value is unused when its owner is done, and nobody has a reference any more") {
  value_table table;
  value_key const key{1, 7};
  table.owner_is_done({1, 8});
  CHECK(table.next_unused() == value_key{1, 8});  // nobody ever had one
  {
    auto const pin = table.hold(key);
    table.owner_is_done(key);
    CHECK_FALSE(table.next_unused());
    CHECK(table.give(2, key));
    CHECK(table.give(2, key));
    CHECK(table.is_needed(1));
  }
  CHECK_FALSE(table.next_unused());
  table.take_back(2, key, 1);
  CHECK_FALSE(table.next_unused());
  table.take_back(2, key, 9);  // all that it has
  CHECK(table.next_unused() == key);
  CHECK_FALSE(table.next_unused());
  CHECK(table.size() == 0);

  CHECK(table.give(2, key));
  table.end(2);
  CHECK_FALSE(table.next_unused());  // its owner has it
  table.owner_is_done(key);
  CHECK(table.next_unused() == key);
}

TEST_CASE("whatever is given, taken back and ended in whatever order, the table agrees with a plain count") {
  random_source random(7);
  for (int world = 0; world < 50; ++world) {
    value_table table;
    std::map<std::pair<std::uint64_t, value_key>, std::uint32_t> held;
    std::vector<std::pair<value_key, value_table::pin>> pins;
    std::set<value_key> done;
    for (int step = 0; step < 400; ++step) {
      value_key const key{1 + random.below(2), 1 + random.below(3)};
      auto const session = 10 + random.below(3);
      switch (random.below(6)) {
        case 0:
          CHECK(table.give(session, key));
          ++held[{session, key}];
          break;
        case 1: {
          auto const count = static_cast<std::uint32_t>(1 + random.below(2));
          table.take_back(session, key, count);
          auto& has = held[{session, key}];
          has -= std::min(has, count);
          break;
        }
        case 2: pins.emplace_back(key, table.hold(key)); break;
        case 3:
          if (!pins.empty())
            pins.erase(pins.begin() + static_cast<std::ptrdiff_t>(random.below(pins.size())));
          break;
        case 4:
          table.owner_is_done(key);
          done.insert(key);
          break;
        default:
          table.end(session);
          for (auto& [who, count] : held)
            if (who.first == session) count = 0;
      }
      while (auto const unused = table.next_unused()) {
        REQUIRE(done.erase(*unused) == 1);
        for (auto const& [who, count] : held) REQUIRE((who.second != *unused || count == 0));
        for (auto const& [what, pin] : pins) REQUIRE(what != *unused);
      }
      for (auto const& one : done) {  // what is left of those is used
        auto used = false;
        for (auto const& [who, count] : held) used = used || (who.second == one && count != 0);
        for (auto const& [what, pin] : pins) used = used || what == one;
        REQUIRE(used);
      }
    }
  }
}

TEST_CASE("a piece of a value goes from the process that has it to the one that asks") {
  for (auto const reliable : {true, false}) {
    sharing all(reliable);
    auto const owner = sharing::session_of(all.owner, all.net);
    auto const served = all.serve();
    CHECK_FALSE(all.events(served));
    auto const fetched = all.ask(all.reader, fetch_value, encode_wish({{owner, 9}, 100, 5}));
    auto const told = all.events(served);
    REQUIRE(told);
    REQUIRE(told->wishes.size() == 1);
    CHECK(told->wishes[0].number == 9);
    CHECK(told->wishes[0].offset == 100);
    all.ask(all.owner, give_value, encode_gift(told->wishes[0].request, false));
    REQUIRE(all.reader.outcomes.contains(fetched.number));
    CHECK(all.reader.outcomes.at(fetched.number).error().code == errc::value_gone);
  }
}

TEST_CASE("who asks for what nobody has, or whose owner goes, is told so") {
  sharing all;
  auto const owner = sharing::session_of(all.owner, all.net);
  auto const stray = all.ask(all.reader, fetch_value, encode_wish({{4711, 1}, 0, 5}));
  CHECK(all.reader.outcomes.at(stray.number).error().code == errc::value_gone);
  auto const waits = all.ask(all.reader, fetch_value, encode_wish({{owner, 1}, 0, 5}));
  CHECK_FALSE(all.reader.outcomes.contains(waits.number));
  all.net.lose(all.owner);
  REQUIRE(all.reader.outcomes.contains(waits.number));
  CHECK(all.reader.outcomes.at(waits.number).error().code == errc::value_gone);
}

TEST_CASE("one process asks for so many pieces at once, and no more") {
  sharing all;
  auto const owner = sharing::session_of(all.owner, all.net);
  for (std::size_t i = 0; i < max_wishes; ++i)
    all.ask(all.reader, fetch_value, encode_wish({{owner, 1}, i, 1}));
  auto const more = all.ask(all.reader, fetch_value, encode_wish({{owner, 1}, 0, 1}));
  CHECK(all.reader.outcomes.at(more.number).error().code == errc::overloaded);
  auto const served = all.serve();
  REQUIRE(all.events(served));
  CHECK(all.events(served)->wishes.size() == max_wishes);
}

TEST_CASE("a reference in an outcome is held until whoever was told of it gives it back") {
  sharing all;
  auto& worker = all.net.add_worker();
  auto const owner = sharing::session_of(all.owner, all.net);
  auto const served = all.serve();
  auto const made = all.net.submit(all.reader, "x");
  std::vector<value_key> const keys{{owner, 5}};
  all.ask(all.owner, hold_values, encode_hold({made, keys}));
  all.ask(all.owner, drop_values, encode_drops(std::vector<value_drop>{{keys[0], 0, true}}));
  CHECK_FALSE(all.events(served));  // the call has it
  byte_buffer body;
  write_references(body, keys);
  frame value;
  value.head.metadata_size = static_cast<std::uint32_t>(body.size());
  value.body = std::move(body);
  all.net.finish(worker, std::move(value));
  REQUIRE(all.reader.outcomes.at(made.number).ok());
  std::vector<value_key> told;
  REQUIRE(read_references(all.reader.outcomes.at(made.number).value().metadata(), told));
  CHECK(told == keys);
  CHECK_FALSE(all.events(served));  // its caller has
  all.ask(all.reader, drop_values, encode_drops(std::vector<value_drop>{{keys[0], 1, false}}));
  REQUIRE(all.events(served));
  CHECK(all.events(served)->unused == std::vector<std::uint64_t>{5});
}

TEST_CASE(
    "a reference in an outcome that nobody is told of is held no more, nor is that of one who has gone") {
  sharing all;
  all.net.add_worker();
  auto const owner = sharing::session_of(all.owner, all.net);
  auto const served = all.serve();
  auto const made = all.net.submit(all.reader, "x");
  all.ask(all.owner, hold_values, encode_hold({made, {{owner, 5}}}));
  all.ask(all.owner, drop_values, encode_drops(std::vector<value_drop>{{{owner, 5}, 0, true}}));
  CHECK_FALSE(all.events(served));
  all.net.cancel(all.reader, made);
  REQUIRE(all.events(served));
  CHECK(all.events(served)->unused == std::vector<std::uint64_t>{5});

  auto const again = all.serve();
  all.ask(all.reader, hold_values, encode_hold({{}, {{owner, 6}}}));
  all.ask(all.owner, drop_values, encode_drops(std::vector<value_drop>{{{owner, 6}, 0, true}}));
  CHECK_FALSE(all.events(again));
  all.net.lose(all.reader);
  REQUIRE(all.events(again));
  CHECK(all.events(again)->unused == std::vector<std::uint64_t>{6});
}

TEST_CASE(
    "references in an outcome that comes after its call was cancelled are handed to whoever gives them "
    "back") {
  sharing all;
  auto& worker = all.net.add_worker();
  auto const owner = sharing::session_of(all.owner, all.net);
  auto const served = all.serve();
  auto const made = all.net.submit(all.reader, "x");
  std::vector<value_key> const keys{{owner, 5}};
  all.ask(all.owner, hold_values, encode_hold({made, keys}));
  all.ask(all.owner, drop_values, encode_drops(std::vector<value_drop>{{keys[0], 0, true}}));
  CHECK(all.reader.core->cancel(all.net.now, made, all.net.scratch()));
  all.net.scratch().clear();  // the hub does not hear of it before the call has ended
  byte_buffer body;
  write_references(body, keys);
  frame value;
  value.head.metadata_size = static_cast<std::uint32_t>(body.size());
  value.body = std::move(body);
  all.net.finish(worker, std::move(value));
  REQUIRE(all.reader.late.size() == 1);
  std::vector<value_key> told;
  REQUIRE(read_references(all.reader.late[0].metadata(), told));
  CHECK(told == keys);
  CHECK_FALSE(all.events(served));
  all.ask(all.reader, drop_values, encode_drops(std::vector<value_drop>{{keys[0], 1, false}}));
  REQUIRE(all.events(served));
  CHECK(all.events(served)->unused == std::vector<std::uint64_t>{5});

  auto const plain = all.net.submit(all.reader, "x");
  CHECK(all.reader.core->cancel(all.net.now, plain, all.net.scratch()));
  all.net.scratch().clear();
  all.net.finish(worker, "plain");
  CHECK(all.reader.late.size() == 1);  // it has none
}

TEST_CASE("a hub that does not know an owner asks it which of its values it needs no more") {
  sharing all;
  auto const first = all.ask(all.owner, serve_values, {});
  REQUIRE(all.events(first));
  CHECK(all.events(first)->wishes.empty());
  CHECK(all.events(first)->unused.empty());
  auto const owner = sharing::session_of(all.owner, all.net);
  all.ask(all.reader, hold_values, encode_hold({{}, {{owner, 6}}}));
  auto const later = all.ask(all.owner, serve_values, {});
  CHECK_FALSE(all.events(later));
}

TEST_CASE("a reference goes from call to call in the hub, and is held by the one that it is an argument of") {
  sharing all;
  auto& worker = all.net.add_worker();
  auto const owner = sharing::session_of(all.owner, all.net);
  auto const served = all.serve();
  auto const made = all.net.submit(all.reader, "x");
  auto const uses = all.net.submit(all.reader, "()", {}, "echo", 7, {}, {}, nullptr, {}, {}, false,
                                   {{made.number, 1, 0, true}});
  all.ask(all.owner, hold_values, encode_hold({made, {{owner, 5}}}));
  all.ask(all.owner, drop_values, encode_drops(std::vector<value_drop>{{{owner, 5}, 0, true}}));
  all.net.finish(worker, "reference");
  REQUIRE(worker.runs.size() == 1);
  CHECK(text_of(worker.runs.front().message.payload()) == "(reference)");
  CHECK_FALSE(all.events(served));
  all.net.finish(worker, "used");
  CHECK(all.reader.outcomes.at(uses.number).ok());
  REQUIRE(all.events(served));
  CHECK(all.events(served)->unused == std::vector<std::uint64_t>{5});
}

TEST_CASE("what is said of values and does not decode is answered in words") {
  sharing all;
  for (auto const what : {fetch_value, give_value, hold_values, drop_values}) {
    auto const id = all.ask(all.reader, what, "x");
    REQUIRE(all.reader.outcomes.contains(id.number));
    CHECK(all.reader.outcomes.at(id.number).error().code == errc::protocol_violation);
  }
}
