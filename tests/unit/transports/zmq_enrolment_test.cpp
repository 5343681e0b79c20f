// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <fstream>
#include <future>
#include <optional>

#include "tests/unit/transports/zmq_hub.hpp"
#include "transports/zmq/authenticator.hpp"
#include "transports/zmq/enrolment.hpp"

namespace yonder::testing::enrolments {

using transport::connect_options;
using transport::connect_role;
using transport::enrolled;
using transport::enrolment;
using transport::issue_token;
using transport::issue_worker_key;
using transport::key_terms;
using transport::list_keys;
using transport::peer_rights;
using transport::raw_key;
using transport::revoke_keys;
using namespace std::chrono_literals;

namespace {

constexpr peer_rights workers{.calls = false, .works = true}, clients{.calls = true, .works = false};

// A newcomer on another machine, whose hub is driven meanwhile.
struct site : tcp_hub {
  fs::path there = folder.path() / "there" / "yonder";

  connect_options come(std::string const& token, connect_role role = connect_role::worker) {
    auto coming = std::async(std::launch::async, [&] {
      return enrolled({address() + "#" + token, there, 0, {}, role});
    });
    w.run_until([&] { return coming.wait_for(0s) == std::future_status::ready; });
    return coming.get();
  }
  std::string refused(std::string const& token, connect_role role = connect_role::worker) {
    return error_of([&] { come(token, role); }).what();
  }
  std::string identity_of(connect_options options) {
    options.session = 99;
    zmq_client client(w.poller, options);
    w.drive(client);
    w.send(client, w.next(client, kind::connected).peer, make_frame(1));
    auto const identity = w.next(*server, kind::connected).identity;
    w.next(*server, kind::received);
    w.forget(client);
    return identity;
  }
};

bool has(std::string const& text, std::string_view words) { return text.find(words) != std::string::npos; }

}  // namespace

TEST_CASE(
    "a token lets a newcomer make a key of its own and have it let in, once, with the token's role and "
    "name") {
  site here;
  auto const token = issue_token(here.keys, {.name = "gpu-box", .rights = workers, .lifetime = 1h}, 10min);
  auto const options = here.come(token);
  CHECK(options.address == here.address());
  key_files const files(here.there);
  CHECK(mode_of(files.worker_secret) == 0600);
  CHECK(mode_of(here.there) == 0700);
  CHECK(read_line(files.server_public) == read_line(key_files(here.keys).server_public));

  auto const listed = list_keys(here.keys);
  REQUIRE(listed.size() == 2);
  CHECK(listed[1].name == "gpu-box");
  CHECK(listed[1].rights == workers);
  CHECK_FALSE(listed[1].enrols);
  CHECK(listed[1].expires <= std::time(nullptr) + 3'601);
  auto const identity = here.identity_of({options.address, here.there, 0, {}, connect_role::worker});
  CHECK(identity == "key " + read_line(files.worker_public));
  CHECK(here.server->rights_of(identity) == workers);
  here.w.next(*here.server, kind::lost);

  CHECK_NOTHROW(here.come(token));  // the same line once more, where it has been let in
  here.there = here.folder.path() / "elsewhere";
  CHECK(has(here.refused(token), "the token is not good"));
  CHECK_FALSE(fs::exists(key_files(here.there).worker_secret));
  CHECK(here.w.events(*here.server).empty());  // the hub has not heard of any of it
}

TEST_CASE("processes of one folder that come by one line at once all come in, by one key") {
  site here;
  auto const token = issue_token(here.keys, {.name = "gpu-box", .rights = workers, .lifetime = 1h}, 10min);
  std::vector<std::future<connect_options>> coming;
  for (int i = 0; i < 6; ++i)
    coming.push_back(std::async(std::launch::async, [&] {
      return enrolled({here.address() + "#" + token, here.there, 0, {}, connect_role::worker});
    }));
  here.w.run_until([&] {
    return std::all_of(coming.begin(), coming.end(),
                       [](auto const& one) { return one.wait_for(0s) == std::future_status::ready; });
  });
  for (auto& one : coming) CHECK_NOTHROW(one.get());
  CHECK(fs::exists(key_files(here.there).worker_secret));
  CHECK(list_keys(here.keys).size() == 2);
  auto const identity = here.identity_of({here.address(), here.there, 0, {}, connect_role::worker});
  CHECK(here.server->rights_of(identity) == workers);
}

TEST_CASE("a token that is over, revoked, of another hub, of another role, cut or made up lets nobody in") {
  site here;
  CHECK(has(here.refused(issue_token(here.keys, {.name = "over", .rights = workers}, -1s)),
            "the token is not good"));
  auto const revoked = issue_token(here.keys, {.name = "revoked", .rights = workers}, 10min);
  CHECK(revoke_keys(here.keys, "revoked") == 1);
  CHECK(has(here.refused(revoked), "the token is not good"));
  auto const of_client = issue_token(here.keys, {.name = "client", .rights = clients}, 10min);
  CHECK(has(here.refused(of_client), "the token is for another role"));
  CHECK(has(here.refused(of_client.substr(1)), "is no token"));
  auto made_up = of_client;
  made_up[60] = made_up[60] == 'A' ? 'B' : 'A';  // of the secret half
  CHECK(has(here.refused(made_up, connect_role::client), "the token is not good"));
  CHECK_FALSE(fs::exists(key_files(here.there).client_secret));
  CHECK(here.come(of_client, connect_role::client).address == here.address());  // none of it has used it up

  site other;
  auto const elsewhere = issue_token(other.keys, {.name = "x", .rights = workers}, 10min);
  CHECK(has(here.refused(elsewhere), "server.pub: is another hub's key"));
  CHECK(here.w.events(*here.server).empty());
}

TEST_CASE("what only has a token is nobody to the hub, whatever it says") {
  site here;
  auto const token = issue_token(here.keys, {.name = "t", .rights = {true, true, true}}, 10min);
  transport::handed_over brought;
  transport::read_handed_over(token, brought);
  auto const identity = "key " + transport::text_of(public_key_of(brought.secret));
  CHECK(here.server->rights_of(identity) == peer_rights{false, false, false});

  auto const thief = here.folder.path() / "thief";
  fs::create_directory(thief);
  REQUIRE(::chmod(thief.c_str(), 0700) == 0);
  write_secret_key(key_files(thief).client_secret, brought.secret);
  fs::copy_file(key_files(here.keys).server_public, key_files(thief).server_public);
  auto const client = here.client(thief);
  here.w.send(*client, here.w.next(*client, kind::connected).peer, make_frame(1));
  here.w.next(*client, kind::lost);
  CHECK(here.w.events(*here.server).empty());
  CHECK(here.come(token).address == here.address());  // and has not used it up
}

TEST_CASE("a token that is tried again and again for what it is not for is used up") {
  site here;
  auto const token = issue_token(here.keys, {.name = "c", .rights = clients}, 10min);
  transport::handed_over brought;
  transport::read_handed_over(token, brought);
  auto const identity = "key " + transport::text_of(public_key_of(brought.secret));
  zmq::context_t context;
  transport::authenticator judge(context, transport::allow_list(key_files(here.keys).authorized));
  raw_key own{};
  own[0] = 7;
  for (int i = 0; i < 10; ++i)
    CHECK(judge.enrol(identity, own, connect_role::worker) == enrolment::wrong_role);
  CHECK(judge.enrol(identity, own, connect_role::worker) == enrolment::refused);
  CHECK(judge.enrol(identity, own, connect_role::client) == enrolment::refused);
}

TEST_CASE("a folder has files of several roles, and of what fails none stay") {
  site here;
  auto const into = here.folder.path() / "several";
  key_files const files(into);
  transport::issue_files(here.keys, {.name = "worker", .rights = workers}, into);
  transport::issue_files(here.keys, {.name = "client", .rights = clients}, into);
  CHECK(fs::exists(files.client_secret));
  CHECK(list_keys(here.keys).size() == 3);
  auto const other = here.folder.path() / "other";
  fs::create_directory(other);
  fs::permissions(other, fs::perms::owner_all);
  std::ofstream(key_files(other).client_public) << "somebody's\n";
  CHECK_THROWS_AS(transport::issue_files(here.keys, {.name = "again", .rights = clients}, other),
                  transport::setup_error);
  CHECK_FALSE(fs::exists(key_files(other).client_secret));
  fs::remove(key_files(other).client_public);
  CHECK_NOTHROW(transport::issue_files(here.keys, {.name = "again", .rights = clients}, other));
}

TEST_CASE("key files for a name that is taken are not written") {
  site here;
  transport::issue_listed(here.keys, {.name = "ada", .rights = clients}, raw_key{1});
  auto const into = here.folder.path() / "for ada";
  auto const issue = [&](std::string const& name) {
    transport::issue_files(here.keys, {.name = name, .rights = clients}, into);
  };
  CHECK(has(error_of([&] { issue("ada"); }).what(), "has a key 'ada' already"));
  CHECK_FALSE(fs::exists(key_files(into).client_secret));
  CHECK_NOTHROW(issue("ada2"));
  CHECK(fs::exists(key_files(into).client_secret));
}

TEST_CASE("a key's bounds stand on its line, come with its token, and are rights of who has it") {
  site here;
  constexpr peer_rights bounded{.calls = true, .works = false, .max_jobs = 9, .max_gpus = 2};
  auto const token = issue_token(here.keys, {.name = "ada", .rights = bounded}, 10min);
  auto const options = here.come(token, connect_role::client);
  CHECK(list_keys(here.keys).back().rights == bounded);
  auto const identity = here.identity_of({options.address, here.there, 0, {}, connect_role::client});
  CHECK(here.server->rights_of(identity) == bounded);
  auto const list = key_files(here.keys).authorized;
  auto const line = text_of(list);
  CHECK(line.find(" role=client name=ada max_jobs=9 max_gpus=2\n") != std::string::npos);
  for (auto const* const wrong : {"max_jobs=0", "max_gpus=-1", "max_jobs=many", "max_gpus=99999999999"})
    CHECK(has(error_of([&] {
                transport::parse_keys(list, transport::text_of(raw_key{}) + " role=client " + wrong);
              }).what(),
              "is no number from 1 on"));
}

TEST_CASE("the key of a start says of which start it is, until it is withdrawn") {
  site here;
  auto const made = here.server->issue_worker_key(77);
  auto const identity = "key " + made.own_public;
  CHECK(here.server->rights_of(identity) == peer_rights{.calls = false, .issued_for = 77});
  here.server->withdraw_worker_key(made.own_public);
  CHECK(here.server->rights_of(identity) == peer_rights{.calls = false, .works = false});
}

TEST_CASE("however many are refused, a token and a key are as good as before") {
  site here;
  auto const token = issue_token(here.keys, {.name = "t", .rights = workers}, 10min);
  auto const strangers = here.unknown_keys();
  for (std::uint64_t tries = 0; tries < 40; ++tries) {
    auto const stranger = here.client(strangers, tries + 10);
    CHECK(here.w.next(*stranger, kind::lost).unauthorized);
    here.w.forget(*stranger);
  }
  CHECK(here.come(token).address == here.address());
  here.check_works(here.keys, 2);
}

TEST_CASE("a newcomer that hears no answer keeps its keys, and the same line once more goes on with them") {
  site here;
  key_files const files(here.there);
  auto const token = issue_token(here.keys, {.name = "slow", .rights = workers}, 10min);
  auto const coming = connect_options{here.address() + "#" + token, here.there, 0, {}, connect_role::worker};
  auto const unheard = error_of([&] { enrolled(coming, 20ms); });  // nothing drives the hub
  CHECK(unheard.code() == errc::hub_unreachable);
  REQUIRE(fs::exists(files.worker_secret));
  auto const key = transport::read_public_key(files.worker_public);

  // The hub has let it in, and its answer was lost.
  transport::handed_over brought;
  transport::read_handed_over(token, brought);
  CHECK(transport::enrol_key(key_files(here.keys).authorized, public_key_of(brought.secret), key,
                             connect_role::worker, std::time(nullptr)) == enrolment::done);
  auto const options = here.come(token);
  CHECK(here.identity_of({options.address, here.there, 0, {}, connect_role::worker}) ==
        "key " + transport::text_of(key));
}

TEST_CASE("a token is good at every address that its hub's name has") {
  site here;
  auto const come_to = [&](auto const& hub, std::string const& name, std::string const& folder) {
    auto const address = hub.addresses().front();
    auto const port = address.substr(address.rfind(':'));
    auto const token = issue_token(here.keys, {.name = folder, .rights = workers}, 10min);
    auto coming = std::async(std::launch::async, [&, to = "tcp://" + name + port + "#" + token] {
      return enrolled({to, here.folder.path() / folder / "yonder", 0, {}, connect_role::worker});
    });
    here.w.run_until([&] { return coming.wait_for(0s) == std::future_status::ready; });
    return coming.get().address == "tcp://" + name + port;
  };
  CHECK(come_to(*here.server, "two-addresses.test", "second"));  // on 127.0.0.1 only, which comes second
  std::optional<zmq_server> six;
  try {
    six.emplace(here.w.poller, transport::listen_options{{"tcp://[::1]:*"}, here.keys, {}});
  } catch (transport::setup_error const&) {
    MESSAGE("skipped: no IPv6 here");
    return;
  }
  here.w.drive(*six);
  CHECK(come_to(*six, "six.test", "six"));
  CHECK(come_to(*six, "two-addresses.test", "first"));
  here.w.forget(*six);
}

TEST_CASE("a token for a hub whose name nobody knows says so") {
  site here;
  auto const token = issue_token(here.keys, {.name = "lost", .rights = workers}, 10min);
  auto const said = error_of([&] {
    enrolled({"tcp://no.such.host.invalid:5555#" + token, here.there, 0, {}, connect_role::worker}, 50ms);
  });
  CHECK(said.code() == errc::hub_unreachable);
  CHECK(has(said.what(), "the name 'no.such.host.invalid' cannot be resolved"));
}

TEST_CASE("a worker's key for one start is used as it is, from a file, and only there") {
  site here;
  auto const text = issue_worker_key(here.keys, "start-1", 60s);
  auto const file = here.folder.path() / "handed-over";
  std::ofstream(file) << text << '\n';
  REQUIRE(::chmod(file.c_str(), 0644) == 0);
  auto const options = [&](std::string const& behind) {
    return connect_options{here.address() + "#" + behind, here.there, 0, {}, connect_role::worker};
  };
  CHECK(says(error_of([&] { zmq_client(here.w.poller, options("@" + file.string())); }), "chmod 600"));
  REQUIRE(::chmod(file.c_str(), 0600) == 0);
  auto const identity = here.identity_of(options("@" + file.string()));
  CHECK(here.server->rights_of(identity) == workers);
  CHECK(enrolled(options("@" + file.string())).address == options("@" + file.string()).address);
  CHECK(says(error_of([&] { enrolled(options(text)); }), "put it into a file"));
  CHECK_FALSE(fs::exists(here.there));
  CHECK(revoke_keys(here.keys, "start-1") == 1);
  CHECK(here.server->rights_of(identity) == peer_rights{false, false, false});
}

TEST_CASE("names of keys are one each, and what is over goes from the list by itself") {
  site here;
  issue_worker_key(here.keys, "start-1", -1s);
  CHECK(list_keys(here.keys).size() == 2);
  issue_worker_key(here.keys, "start-2", 60s);
  CHECK(list_keys(here.keys).size() == 2);
  CHECK(says(error_of([&] { issue_worker_key(here.keys, "start-2", 60s); }), "has a key 'start-2' already"));
  CHECK(says(error_of([&] { issue_worker_key(here.keys, "start 3", 60s); }), "is no name for a key"));
}

TEST_CASE("a token never changes the line of a key that is listed already, whoever names it") {
  site here;
  auto const list = key_files(here.keys).authorized;
  auto const now = std::time(nullptr);
  auto const use = [&](key_terms const& terms, raw_key const& key, connect_role role) {
    transport::handed_over brought;
    transport::read_handed_over(issue_token(here.keys, terms, 10min), brought);
    auto const before = text_of(list);
    auto const what = transport::enrol_key(list, public_key_of(brought.secret), key, role, now);
    if (what != enrolment::done) CHECK(text_of(list) == before);  // and the token is good for another key
    revoke_keys(here.keys, terms.name);
    return what;
  };
  raw_key ada{}, carol{}, spent{}, old{};
  ada[0] = 1, carol[0] = 2, spent[0] = 3, old[0] = 4;
  constexpr peer_rights operators{.calls = true, .works = false, .operates = true};
  transport::issue_listed(here.keys, {.name = "ada", .rights = operators, .lifetime = 24h}, ada);
  transport::issue_listed(here.keys, {.name = "carol", .rights = clients}, carol);
  auto const before = text_of(list);

  // It may do that already: it keeps its name, and the time at which it expires.
  CHECK(use({.name = "bob", .rights = clients}, ada, connect_role::client) == enrolment::done);
  CHECK(text_of(list) == before);
  // Another's key, which is no secret.
  CHECK(use({.name = "thief", .rights = workers, .lifetime = 60s}, carol, connect_role::worker) ==
        enrolment::listed);
  CHECK(use({.name = "more", .rights = operators}, carol, connect_role::client) == enrolment::listed);
  CHECK(text_of(list) == before);

  // One that is over is listed no longer, and lends nothing.
  auto const over = transport::text_of(spent) + " role=operator name=spent expires=2001-01-01T00:00:00Z";
  transport::edit_keys(list, [&](auto& lines) {
    lines.push_back(over);
    lines.push_back(transport::text_of(old) + " of before there were roles");
  });
  // Of a hand-written list: what issues a token would have tidied it away.
  transport::handed_over brought;
  transport::read_handed_over(issue_token(here.keys, {.name = "again", .rights = workers}, 10min), brought);
  transport::edit_keys(list, [&](auto& lines) { lines.push_back(over); });
  CHECK(transport::enrol_key(list, public_key_of(brought.secret), spent, connect_role::worker, now) ==
        enrolment::done);
  CHECK(text_of(list).find("spent") == std::string::npos);
  CHECK(list_keys(here.keys).back().name == "again");
  CHECK(list_keys(here.keys).back().rights == workers);
  CHECK(use({.name = "new", .rights = clients}, old, connect_role::client) == enrolment::done);
  CHECK(use({.name = "boss", .rights = operators}, old, connect_role::boss) == enrolment::listed);
  CHECK(text_of(list).find("of before there were roles") != std::string::npos);
}

TEST_CASE("a newcomer whose key is listed for less than the token is told so, and keeps it") {
  site here;
  here.there = here.keys;
  auto const before = text_of(key_files(here.keys).authorized);
  auto const token = issue_token(here.keys, {.name = "boss", .rights = {true, false, true}}, 10min);
  CHECK(has(here.refused(token, connect_role::client), "this key is listed there already"));
  CHECK(fs::exists(key_files(here.keys).client_secret));
  here.there = here.folder.path() / "desk";
  CHECK(here.come(token, connect_role::boss).address == here.address());
  CHECK(text_of(key_files(here.keys).authorized).find(before) == 0);
}

TEST_CASE("what an enrolment says on the wire is read as it was written, and nothing else is") {
  raw_key key{};
  key[3] = 7;
  auto const request = transport::enrolment_request(connect_role::boss, key);
  auto const bytes = [](std::string const& text) { return std::as_bytes(std::span(text)); };
  raw_key read{};
  connect_role role{};
  REQUIRE(transport::read_enrolment_request(bytes(request), role, read));
  CHECK(read == key);
  CHECK(role == connect_role::boss);
  for (std::size_t size = 0; size < request.size(); ++size)
    CHECK_FALSE(transport::read_enrolment_request(bytes(request).first(size), role, read));
  auto wrong = request;
  wrong[4] = 3;
  CHECK_FALSE(transport::read_enrolment_request(bytes(wrong), role, read));
  for (auto const what :
       {enrolment::done, enrolment::refused, enrolment::wrong_role, enrolment::busy, enrolment::listed})
    CHECK(transport::read_enrolment_answer(transport::enrolment_answer(what)) == what);
  CHECK_FALSE(transport::read_enrolment_answer(std::string("YKE1") + '\5'));
  CHECK_FALSE(transport::read_enrolment_answer("YKE1"));
}

}  // namespace yonder::testing::enrolments
