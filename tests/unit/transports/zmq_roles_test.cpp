// SPDX-License-Identifier: Apache-2.0
#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>
#include <zmq.hpp>

#include "tests/unit/transports/zmq_hub.hpp"
#include "transports/zmq/authenticator.hpp"
#include "transports/zmq/authorized_keys.hpp"

namespace yonder::testing::roles {

using transport::allow_list;
using transport::edit_keys;
using transport::key_entry;
using transport::parse_keys;
using transport::peer_rights;
using transport::raw_key;

namespace {

constexpr transport::unix_seconds noon = 1'796'126'400;  // 2026-12-01T12:00:00Z

raw_key raw(std::string const& text) {
  raw_key key{};
  REQUIRE(transport::read_key_text(text, key));
  return key;
}

std::string refusal(std::string const& line) {
  return error_of([&] { parse_keys("list", line); }).what();
}

// A list with lines of its own, written as a person's editor does.
struct list_file {
  temporary_folder folder;
  fs::path path = folder.path() / "authorized_keys";
  explicit list_file(std::string const& text) { write(text); }
  void write(std::string const& text) {
    std::ofstream(path, std::ios::trunc) << text;
    REQUIRE(::chmod(path.c_str(), 0600) == 0);
  }
};

// All that changes() says once the file has stood still.
std::vector<allow_list::change> settled(allow_list& list, transport::unix_seconds now) {
  auto seen = list.changes(now);
  for (auto& one : list.changes(now)) seen.push_back(std::move(one));
  return seen;
}

}  // namespace

TEST_CASE("a line of authorized_keys says a role, a name and an expiry, and reads back as it was written") {
  auto const key = drawn_key();
  for (auto const& words :
       {"role=client", "role=worker", "role=client,worker", "role=operator", "role=worker,operator",
        "role=client name=ada", "role=worker name=a.b-c_d@e expires=2026-12-01T12:00:00Z",
        "role=worker name=x enrols expires=2026-12-01T12:00:00Z until=2027-01-01T00:00:00Z"}) {
    CAPTURE(words);
    auto const line = key + " " + words;
    auto const entries = parse_keys("list", line);
    REQUIRE(entries.size() == 1);
    CHECK(entries[0].has_role);
    CHECK(line_of(entries[0]) == line);
  }
  auto const full = parse_keys("list", key + " role=worker name=gpu expires=2026-12-01T12:00:00Z")[0];
  CHECK(full.key == raw(key));
  CHECK(full.rights == peer_rights{.calls = false, .works = true, .operates = false});
  CHECK(full.name == "gpu");
  CHECK(full.expires == noon);
  CHECK(parse_keys("list", key + " role=operator")[0].rights == peer_rights{true, false, true});
}

TEST_CASE("a key without a role is a client's and a worker's, and no comment makes it more") {
  auto const key = drawn_key();
  for (auto const& comment : {"", " client.pub", " operator", " Ada's laptop, the operator"}) {
    CAPTURE(comment);
    auto const entry = parse_keys("list", "# those\n\n" + key + comment + "\n").at(0);
    CHECK_FALSE(entry.has_role);
    CHECK(entry.rights == peer_rights{.calls = true, .works = true, .operates = false});
  }
}

TEST_CASE("a line with a role says nothing that is not understood") {
  auto const key = drawn_key();
  CHECK(refusal("no key").find("line 1 holds no public key") != std::string::npos);
  CHECK(refusal(key + " role=boss").find("there are client, worker and operator") != std::string::npos);
  CHECK(refusal(key + " role=").find("has the role ''") != std::string::npos);
  CHECK(refusal(key + " role=client Ada").find("says 'Ada'") != std::string::npos);
  CHECK(refusal(key + " role=client name=\x1b[2J").find("has a name that is none") != std::string::npos);
  for (auto const& time :
       {"soon", "2026-12-01", "2026-02-30T00:00:00Z", "2026-12-01T12:00:00", "2026-12-01T12:00:00+01:00"}) {
    CAPTURE(time);
    CHECK(refusal("\n" + key + " role=client expires=" + time).find("line 2 says '") != std::string::npos);
  }
}

TEST_CASE("a key is good until its time is over, by the clock that is asked") {
  auto const key = drawn_key();
  list_file file(key + " role=client expires=2026-12-01T12:00:00Z\n");
  allow_list list(file.path);
  CHECK(list.find(raw(key), noon - 1) != nullptr);
  CHECK(list.find(raw(key), noon) == nullptr);
  CHECK(settled(list, noon - 1).empty());
  auto const over = settled(list, noon);
  REQUIRE(over.size() == 1);
  CHECK(over[0].key == raw(key));
  CHECK(over[0].reason == "its key has expired");
  CHECK(settled(list, noon + 1).empty());  // told once
}

TEST_CASE("what becomes of keys is told once the file stands still, and half a file revokes nobody") {
  auto const one = drawn_key(), other = drawn_key();
  auto const both = one + " role=client\n" + other + " role=worker\n";
  list_file file(both);
  allow_list list(file.path);
  CHECK(settled(list, noon).empty());

  file.write("");  // an editor begins to write
  CHECK(list.changes(noon).empty());
  file.write(both + "# and a comment\n");
  CHECK(settled(list, noon).empty());

  file.write(both + "no key\n");
  CHECK(settled(list, noon).empty());
  CHECK(list.find(raw(one), noon) == nullptr);  // whoever comes now is not let in

  file.write(one + " role=client,worker\n");
  auto const seen = settled(list, noon);
  REQUIRE(seen.size() == 2);
  for (auto const& change : seen)
    CHECK(change.reason == (change.key == raw(other) ? "its key was revoked" : ""));
}

TEST_CASE("only CURVE proves a key, whatever a mechanism states of its own") {
  auto const key = drawn_key();
  list_file const list(key);
  zmq::context_t context;
  transport::authenticator doorkeeper(context, allow_list(list.path));
  zmq::socket_t asks(context, zmq::socket_type::req);
  asks.connect("inproc://zeromq.zap.01");
  auto const proof = raw(key);
  std::string_view const credentials(reinterpret_cast<char const*>(proof.data()), proof.size());
  auto const status_of = [&](std::string_view mechanism) {
    for (std::string_view const part :
         {std::string_view("1.0"), std::string_view("1"), std::string_view("yonder"),
          std::string_view("127.0.0.1"), std::string_view(), mechanism})
      asks.send(zmq::buffer(part), zmq::send_flags::sndmore);
    asks.send(zmq::buffer(credentials), zmq::send_flags::none);
    doorkeeper.serve();
    std::vector<std::string> answer;
    zmq::message_t part;
    do {
      REQUIRE(asks.recv(part, zmq::recv_flags::dontwait));
      answer.push_back(part.to_string());
    } while (part.more());
    return answer.at(2);
  };
  CHECK(status_of("CURVE") == "200");
  CHECK(status_of("GSSAPI") == "400");
  CHECK(status_of("PLAIN") == "400");
}

TEST_CASE("a list is replaced as a whole, by one at a time, and never by one that is wrong") {
  auto const key = drawn_key();
  list_file file("# those\n" + key + " role=client\n");
  auto const before = text_of(file.path);
  CHECK(says(error_of([&] { edit_keys(file.path, [](auto& lines) { lines.push_back("no key"); }); }),
             "line 3"));
  CHECK(text_of(file.path) == before);
  edit_keys(file.path, [](auto& lines) { lines.push_back("# more"); });
  CHECK(text_of(file.path) == before + "# more\n");
  CHECK(mode_of(file.path) == 0600);

  platform::unique_fd const held(::open(file.folder.path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  REQUIRE(::flock(held.get(), LOCK_EX) == 0);
  auto const busy = error_of([&] { edit_keys(file.path, [](auto&) {}); });
  CHECK(busy.code() == errc::overloaded);
  CHECK(says(busy, "try again"));
}

TEST_CASE("a list with keys of before there were roles is used, and its hub says so") {
  tcp_hub hub;
  CHECK(hub.server->warnings().empty());  // keygen's has one
  std::ofstream(key_files(hub.keys).authorized, std::ios::app) << drawn_key() << " an old one\n";
  zmq_server again(hub.w.poller, {{"tcp://127.0.0.1:*"}, hub.keys, {}});
  REQUIRE(again.warnings().size() == 1);
  CHECK(again.warnings()[0].find("1 key in authorized_keys has no role") == 0);
}

}  // namespace yonder::testing::roles
