// SPDX-License-Identifier: Apache-2.0
#include "src/core/hub_session.hpp"

#include <doctest/doctest.h>

#include <string>
#include <vector>

using namespace yonder::core;
using yonder::errc;

namespace {

constexpr peer_id hub_end = 4;

hello_message said_by_a_worker() {
  hello_message said;
  said.role = peer_role::worker;
  said.session = 9;
  return said;
}

// A session whose user writes down what it is told; the test plays the hub.
struct told_user final : session_user {
  std::vector<std::string> told;
  outputs out;
  time_point now = second;
  link_timing timing;
  hub_session session{now, said_by_a_worker(), timing, *this};

  void session_lost(time_point, std::string_view why, outputs&) override {
    told.push_back("lost: " + std::string(why));
  }
  void welcomed(time_point, welcome_message const&, bool resumed, outputs&) override {
    told.emplace_back(resumed ? "resumed" : "welcomed");
  }
  void deliver(time_point, frame&& message, outputs& to) override {
    told.push_back("frame " + std::to_string(message.head.call.number));
    if (message.head.call.number == 99) session.end();
    to.clear();
  }
  void refused(time_point, errc code, std::string_view why, outputs&) override {
    told.push_back(std::string(to_string(code)) + ": " + std::string(why));
  }

  explicit told_user(bool reliable) { connect(reliable); }

  void connect(bool reliable) { session.connected(now, hub_end, reliable, out); }

  // The last hello's number, and how often hello was said since the last look.
  std::uint32_t hello = 0;
  std::size_t hellos() {
    std::size_t count = 0;
    for (auto& one : out) {
      auto* const send = std::get_if<out::send>(&one);
      if (send == nullptr || send->head.type != frame_type::hello) continue;
      hello = send->head.attempt;
      ++count;
    }
    out.clear();
    return count;
  }

  void say(frame message, std::uint32_t epoch, std::uint32_t attempt = 0, std::uint8_t flags = 0) {
    message.head.epoch = epoch;
    message.head.attempt = attempt;
    message.head.flags = flags;
    session.receive(now, hub_end, std::move(message), out);
  }

  void welcome(std::uint32_t epoch, std::uint8_t flags = 0) {
    hellos();
    say(make_welcome({protocol_version, second, {}, {min_frame_bytes, 3}}), epoch, hello, flags);
  }

  void assign(std::uint32_t epoch, std::uint32_t sequence, std::uint64_t number) {
    auto message = make_control(frame_type::assign);
    message.head.sequence = sequence;
    message.head.call.number = number;
    say(std::move(message), epoch);
  }
};

using sentences = std::vector<std::string>;

}  // namespace

TEST_CASE("a session says hello until it is welcomed, and then keeps what the hub can receive") {
  told_user user(false);
  CHECK(user.hellos() == 1);
  CHECK_FALSE(user.session.ready());
  user.now += user.timing.heartbeat;
  CHECK(user.session.next_deadline() == user.now);
  user.session.tick(user.now, user.out);
  CHECK(user.hellos() == 1);
  CHECK(user.hello == 1);
  user.welcome(5);
  CHECK(user.told == sentences{"welcomed"});
  CHECK(user.session.hub_limits().max_buffers == 3);
  user.welcome(6);  // late, and not asked for
  CHECK(user.told.size() == 1);
}

TEST_CASE("frames are delivered in their order, of this session only") {
  told_user user(false);
  user.welcome(5);
  user.assign(4, 1, 7);
  user.assign(5, 2, 2);
  user.assign(5, 1, 1);
  user.assign(5, 1, 1);
  CHECK(user.told == sentences{"welcomed", "frame 1", "frame 2"});
  CHECK(user.session.violations() == 0);
}

TEST_CASE("nothing is delivered once the user has ended the session") {
  told_user user(false);
  user.welcome(5);
  user.assign(5, 2, 2);
  user.assign(5, 1, 99);
  CHECK(user.told == sentences{"welcomed", "frame 99"});
  CHECK(user.session.over());
  CHECK(user.session.next_deadline() == never);
  user.connect(false);
  CHECK(user.hellos() == 0);
}

TEST_CASE("over another connection the session goes on if the hub knows it, and is lost if it does not") {
  told_user user(false);
  user.welcome(5);
  auto const sent = user.session.send(user.now, {}, frame_ref(frame{}), never, user.out);
  user.session.lost(user.now, hub_end, "gone", user.out);
  CHECK(user.told.size() == 1);
  user.connect(false);
  user.welcome(5, flag_resumed);
  CHECK(user.told.back() == "resumed");
  CHECK(user.session.frames_held() == 1);
  CHECK(user.session.was_transmitted(sent));
  user.session.lost(user.now, hub_end, "gone", user.out);
  user.connect(false);
  user.welcome(8);
  CHECK(user.told == sentences{"welcomed", "resumed", "lost: the hub lost this session", "welcomed"});
  CHECK(user.session.frames_held() == 0);
}

TEST_CASE("a reliable connection takes its session with it") {
  told_user user(true);
  user.welcome(5);
  user.session.lost(user.now, hub_end + 1, "another's", user.out);
  user.session.lost(user.now, hub_end, "gone", user.out);
  CHECK(user.told == sentences{"welcomed", "lost: gone"});
  CHECK_FALSE(user.session.ready());
}

TEST_CASE("a bye that asks for it is answered with a hello, any other is final") {
  told_user user(false);
  user.welcome(5);
  user.say(make_bye({errc::disconnected, "the hub ended"}), 5, 0, flag_rejoin);
  CHECK(user.hellos() == 1);
  CHECK(user.told.size() == 1);
  user.say(make_bye({errc::disconnected, "the hub ended"}), 4, 0);  // of another session
  CHECK_FALSE(user.session.over());
  user.say(make_bye({errc::protocol_mismatch, "too old"}), 0, user.hello);
  CHECK(user.told.back() == "protocol_mismatch: too old");
  CHECK(user.session.over());
}

TEST_CASE("a hub that is silent is greeted again") {
  told_user user(false);
  user.welcome(5);
  for (int i = 0; i < 4; ++i) user.session.tick(user.now += second, user.out);
  CHECK(user.hellos() == 1);
  CHECK(user.hello == 2);
  CHECK(user.session.away_since() == user.now);
}

TEST_CASE("what a hub does not say ends the session") {
  told_user user(false);
  user.welcome(5);
  auto ack = make_control(frame_type::ack);
  ack.head.sequence = 3;
  user.say(std::move(ack), 5);
  CHECK(user.told.back() == "protocol_violation: a false acknowledgement");
  CHECK(user.session.violations() == 1);
  CHECK(std::get_if<out::close>(&user.out.back()) != nullptr);
}
