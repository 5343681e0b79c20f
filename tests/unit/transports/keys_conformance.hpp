// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include <cerrno>
#include <iterator>
#include <string>
#include <utility>
#include <vector>

#include "tests/unit/transports/fake_names.hpp"
#include "tests/unit/transports/zmq_hub.hpp"
#include "transports/zmq/authorized_keys.hpp"

// What every transport that crosses networks promises of keys and names: `Way` as of hub_place.hpp.
namespace yonder::testing {

using transport::edit_keys;
using transport::peer_rights;

TEST_CASE_TEMPLATE_DEFINE("a key that is not in the list is refused, in words, and the next one is let in",
                          Way, unknown_key_cases) {
  keyed_hub<Way> hub;
  auto const stranger = hub.client(hub.unknown_keys());
  auto const lost = hub.w.next(*stranger, kind::lost);
  CHECK(lost.unauthorized);
  CHECK(lost.reason.find("authorized_keys") != std::string::npos);
  CHECK(stranger->send(lost.peer, make_frame(1)) == send_status::gone);
  hub.check_works(hub.keys, 2);
  CHECK(hub.w.events(*hub.server).empty());
  CHECK(hub.w.events(*stranger).empty());  // told once
}

TEST_CASE_TEMPLATE_DEFINE("a key that is added to the list while the hub runs is let in", Way,
                          added_key_cases) {
  keyed_hub<Way> hub;
  auto const keys = hub.unknown_keys();
  auto const refused = hub.client(keys);
  CHECK(hub.w.next(*refused, kind::lost).unauthorized);
  std::ofstream(key_files(hub.keys).authorized, std::ios::app)
      << read_line(key_files(keys).client_public) << " new\n";
  hub.check_works(keys, 2);
}

TEST_CASE_TEMPLATE_DEFINE("a key that is taken from the list is refused from then on", Way,
                          removed_key_cases) {
  keyed_hub<Way> hub;
  hub.check_works(hub.keys, 1);
  hub.w.next(*hub.server, kind::lost);
  std::ofstream(key_files(hub.keys).authorized, std::ios::trunc) << "# nobody\n";
  auto const late = hub.client(hub.keys, 2);
  CHECK(hub.w.next(*late, kind::lost).unauthorized);
}

TEST_CASE_TEMPLATE_DEFINE("a list that has become unusable lets nobody in", Way, unusable_list_cases) {
  keyed_hub<Way> hub;
  std::ofstream(key_files(hub.keys).authorized, std::ios::app) << "no key at all\n";
  auto const client = hub.client(hub.keys);
  CHECK(hub.w.next(*client, kind::lost).unauthorized);
}

TEST_CASE_TEMPLATE_DEFINE("a list that was removed lets nobody in", Way, removed_list_cases) {
  keyed_hub<Way> hub;
  hub.check_works(hub.keys, 1);
  hub.w.next(*hub.server, kind::lost);
  fs::remove(key_files(hub.keys).authorized);
  auto const late = hub.client(hub.keys, 2);
  CHECK(hub.w.next(*late, kind::lost).unauthorized);
}

TEST_CASE_TEMPLATE_DEFINE(
    "promise 16: whatever its roles, a key may do over a network what they say, and a bad one does not get "
    "in",
    Way, roles_cases) {
  keyed_hub<Way> hub;
  auto const secret_of = [&](fs::path const& folder) { return read_line(key_files(folder).client_public); };
  std::uint64_t session = 10;
  constexpr unsigned subsets = 1U << std::size(transport::key_roles);
  for (unsigned chosen = 1; chosen < subsets; ++chosen) {
    std::string roles;
    peer_rights expected{.calls = false, .works = false, .operates = false};
    for (std::size_t i = 0; i < std::size(transport::key_roles); ++i) {
      if ((chosen >> i & 1U) == 0) continue;
      roles += (roles.empty() ? "" : ",") + std::string(transport::key_roles[i].name);
      expected.*(transport::key_roles[i].right) = true;
    }
    expected.calls = expected.calls || expected.operates;
    for (bool const expired : {false, true}) {
      CAPTURE(roles);
      CAPTURE(expired);
      auto const keys = hub.folder.path() / (roles + (expired ? "-expired" : ""));
      keygen(keys);
      fs::copy_file(key_files(hub.keys).server_public, key_files(keys).server_public,
                    fs::copy_options::overwrite_existing);
      std::ofstream(key_files(hub.keys).authorized, std::ios::app)
          << secret_of(keys) << " role=" << roles << (expired ? " expires=2001-01-01T00:00:00Z\n" : "\n");
      CHECK(hub.server->rights_of("key " + secret_of(keys)) ==
            (expired ? peer_rights{false, false, false} : expected));
      if (!expired) {
        hub.check_works(keys, ++session);
        hub.w.next(*hub.server, kind::lost);
        continue;
      }
      auto const refused = hub.client(keys, ++session);
      CHECK(hub.w.next(*refused, kind::lost).unauthorized);
      CHECK(hub.w.events(*hub.server).empty());
      hub.w.forget(*refused);
    }
  }
  CHECK(hub.server->rights_of("key " + read_line(key_files(hub.keys).server_public)) ==
        peer_rights{true, true, true});
  CHECK(hub.server->rights_of("key " + drawn_key()) == peer_rights{false, false, false});
  CHECK(hub.server->rights_of("key ") == peer_rights{false, false, false});
  CHECK(hub.server->rights_of("process 1") == peer_rights{true, true, true});  // over ipc: this user
}

TEST_CASE_TEMPLATE_DEFINE("who is connected when its key is revoked is told of, and is not heard any more",
                          Way, revoked_cases) {
  keyed_hub<Way> hub;
  auto const client = hub.client(hub.keys);
  auto const to = hub.w.next(*client, kind::connected).peer;
  hub.w.send(*client, to, make_frame(1));
  auto const known = hub.w.next(*hub.server, kind::connected);
  hub.w.next(*hub.server, kind::received);

  edit_keys(key_files(hub.keys).authorized, [](auto& lines) { lines.resize(1); });
  auto const told = hub.w.next(*hub.server, kind::revoked);
  CHECK(told.identity == known.identity);
  CHECK(told.reason == "its key was revoked");
  hub.w.send(*client, to, make_frame(2));
  hub.w.send(*hub.server, known.peer, make_frame(3));  // a last word to it
  hub.w.next(*client, kind::received);
  CHECK(hub.w.events(*hub.server).empty());
  hub.server->close(known.peer);
  hub.w.next(*client, kind::lost);
  CHECK(hub.w.next(*client, kind::lost).unauthorized);
}

TEST_CASE_TEMPLATE_DEFINE(
    "who is connected with an issued key when that is withdrawn has a last word, and is told of and ended",
    Way, withdrawn_cases) {
  keyed_hub<Way> hub;
  auto const issued = hub.server->issue_worker_key(5);
  auto const made_worker = Way::transport().connect(hub.w.poller, {.address = hub.address(),
                                                                   .keys = hub.folder.path() / "none",
                                                                   .session = 5,
                                                                   .bounds = {},
                                                                   .role = transport::connect_role::worker,
                                                                   .server_public = issued.server_public,
                                                                   .secret = issued.secret});
  auto& worker = *made_worker;
  hub.w.drive(worker);
  auto const to = hub.w.next(worker, kind::connected).peer;
  hub.w.send(worker, to, make_frame(1));
  auto const known = hub.w.next(*hub.server, kind::connected);
  hub.w.next(*hub.server, kind::received);

  hub.server->withdraw_worker_key(issued.own_public);
  hub.w.send(worker, to, make_frame(2));  // its last result
  CHECK(same(hub.w.next(*hub.server, kind::received).message, make_frame(2)));
  auto const told = hub.w.next(*hub.server, kind::revoked);
  CHECK(told.identity == known.identity);
  CHECK(told.reason == "the start that its key was made for is over");
  hub.w.send(worker, to, make_frame(3));
  hub.server->close(known.peer);
  hub.w.next(worker, kind::lost);
  CHECK(hub.w.next(worker, kind::lost).unauthorized);
  CHECK(hub.w.events(*hub.server).empty());
  hub.w.forget(worker);
}

TEST_CASE_TEMPLATE_DEFINE(
    "who is connected when the rights of its key change is disconnected, and comes again with these", Way,
    changed_rights_cases) {
  keyed_hub<Way> hub;
  auto const client = hub.client(hub.keys);
  auto to = hub.w.next(*client, kind::connected).peer;
  hub.w.send(*client, to, make_frame(1));
  auto const known = hub.w.next(*hub.server, kind::connected);
  hub.w.next(*hub.server, kind::received);

  edit_keys(key_files(hub.keys).authorized, [&](auto& lines) {
    lines = {read_line(key_files(hub.keys).client_public) + " role=client name=ada"};
  });
  CHECK(hub.w.next(*hub.server, kind::lost).reason == "the rights of its key have changed");
  hub.w.next(*client, kind::lost);
  to = hub.w.next(*client, kind::connected).peer;
  hub.w.send(*client, to, make_frame(2));
  CHECK(hub.w.next(*hub.server, kind::connected).identity == known.identity);
  CHECK(hub.server->rights_of(known.identity) == peer_rights{true, false, false});
}

TEST_CASE_TEMPLATE_DEFINE("nobody takes over the session of another key", Way, others_session_cases) {
  keyed_hub<Way> hub;
  auto const others = hub.unknown_keys();
  std::ofstream(key_files(hub.keys).authorized, std::ios::app)
      << read_line(key_files(others).client_public) << " other\n";
  auto const honest = hub.client(hub.keys, 77);
  auto const to = hub.w.next(*honest, kind::connected).peer;
  hub.w.send(*honest, to, make_frame(1));
  auto const known = hub.w.next(*hub.server, kind::connected);
  CHECK(known.identity == "key " + read_line(key_files(hub.keys).client_public));
  hub.w.next(*hub.server, kind::received);
  // Until it is heard; whoever comes meanwhile is somebody else (ZeroMQ lets in no second one of its name).
  auto const hears_honest = [&] {
    hub.w.send(*honest, to, make_frame(3));
    bool heard = false;
    hub.w.run_until([&] {
      auto& events = hub.w.events(*hub.server);
      for (; !events.empty(); events.pop_front()) {
        auto const& one = events.front();
        if (one.what == kind::connected) CHECK(one.identity != known.identity);
        if (one.what == kind::lost) CHECK(one.peer != known.peer);
        heard = heard || (one.peer == known.peer && same(one.message, make_frame(3)));
      }
      return heard;
    });
  };
  for (int i = 0; i < 3; ++i) {
    auto liar = hub.client(others, 77);
    hub.w.send(*liar, hub.w.next(*liar, kind::connected).peer, make_frame(2));
    for (int turns = 0; turns < 5; ++turns) hub.w.turn(1'000'000);
    hears_honest();
    hub.w.send(*hub.server, known.peer, make_frame(4));
    CHECK(same(hub.w.next(*honest, kind::received).message, make_frame(4)));
    hub.w.forget(*liar);
    liar.reset();
    hears_honest();
  }
}

TEST_CASE_TEMPLATE_DEFINE(
    "whoever works connects with worker.key where there is one, an operator with operator.key", Way,
    own_role_cases) {
  keyed_hub<Way> hub;
  std::uint64_t session = 0;
  auto const identity_as = [&](transport::connect_role role) {
    auto const made_client =
        Way::transport().connect(hub.w.poller, {hub.address(), hub.keys, ++session, {}, role});
    auto& client = *made_client;
    hub.w.drive(client);
    hub.w.send(client, hub.w.next(client, kind::connected).peer, make_frame(1));
    auto const identity = hub.w.next(*hub.server, kind::connected).identity;
    hub.w.next(*hub.server, kind::received);
    hub.w.forget(client);
    return identity;
  };
  auto const of_client = "key " + read_line(key_files(hub.keys).client_public);
  auto const of_server = "key " + read_line(key_files(hub.keys).server_public);
  CHECK(identity_as(transport::connect_role::client) == of_client);
  hub.w.next(*hub.server, kind::lost);
  CHECK(identity_as(transport::connect_role::worker) == of_client);
  hub.w.next(*hub.server, kind::lost);
  CHECK(identity_as(transport::connect_role::boss) == of_server);
  hub.w.next(*hub.server, kind::lost);

  temporary_folder other;
  keygen(other.path() / "keys");
  auto const key = read_line(key_files(other.path() / "keys").client_public);
  std::ofstream(key_files(hub.keys).authorized, std::ios::app) << key << " role=worker,operator\n";
  for (auto const& [role, file] :
       {std::pair(transport::connect_role::worker, key_files(hub.keys).worker_secret),
        std::pair(transport::connect_role::boss, key_files(hub.keys).operator_secret)}) {
    fs::copy_file(key_files(other.path() / "keys").client_secret, file);
    CHECK(identity_as(role) == "key " + key);
    hub.w.next(*hub.server, kind::lost);
  }
}

TEST_CASE_TEMPLATE_DEFINE(
    "every address of a name is tried, and a name that is not known yet is looked up again", Way,
    names_cases) {
  keyed_hub<Way> hub;  // on 127.0.0.1 only
  auto const port = hub.address().substr(hub.address().rfind(':') + 1);
  lookups_that_fail = 1;
  auto const made_client = Way::transport().connect(
      hub.w.poller, {std::string(Way::scheme) + "://two-addresses.test:" + port, hub.keys, 5, {}});
  auto& client = *made_client;
  hub.w.drive(client);
  auto const lost = hub.w.next(client, kind::lost);
  CHECK_FALSE(lost.unauthorized);
  CHECK(lost.reason.find("the name 'two-addresses.test' cannot be resolved") == 0);
  auto const to = hub.w.next(client, kind::connected).peer;
  hub.w.send(client, to, make_frame(5));
  hub.w.next(*hub.server, kind::connected);
  CHECK(same(hub.w.next(*hub.server, kind::received).message, make_frame(5)));

  auto const address = hub.address();
  hub.w.forget(*hub.server);
  hub.server.reset();
  hub.w.next(client, kind::lost);
  hub.server = Way::transport().listen(hub.w.poller, {{address}, hub.keys, {}});
  hub.w.drive(*hub.server);
  hub.w.next(client, kind::connected);
  hub.w.forget(client);
}

TEST_CASE_TEMPLATE_DEFINE(
    "an address at which a service says nothing does not keep the others from being tried", Way,
    silent_address_cases) {
  keyed_hub<Way> hub;  // on 127.0.0.1 only
  auto const port = hub.address().substr(hub.address().rfind(':') + 1);
  platform::unique_fd const silent(::socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_in6 where{};
  where.sin6_family = AF_INET6;
  where.sin6_port = htons(static_cast<std::uint16_t>(std::stoi(port)));
  where.sin6_addr = in6addr_loopback;
  if (::bind(silent.get(), reinterpret_cast<sockaddr const*>(&where), sizeof where) != 0) {
    MESSAGE("skipped: no IPv6 here, or somebody is at the same port");
    return;
  }
  REQUIRE(::listen(silent.get(), 8) == 0);
  auto const made_client = Way::transport().connect(
      hub.w.poller, {std::string(Way::scheme) + "://two-addresses.test:" + port, hub.keys, 5, {}});
  auto& client = *made_client;
  hub.w.drive(client);
  hub.w.run_until([&] {  // what the silence ends with may be told first
    auto& events = hub.w.events(client);
    while (!events.empty() && events.front().what == kind::lost) events.pop_front();
    return !events.empty();
  });
  CHECK(hub.w.events(client).front().what == kind::connected);
  hub.w.forget(client);
}

TEST_CASE_TEMPLATE_DEFINE("a client that waits for a name ends without waiting for it", Way,
                          waits_for_name_cases) {
  world w;
  temporary_folder folder;
  keygen(folder.path() / "keys");
  lookups_that_fail = 1'000'000;
  auto const made_client = Way::transport().connect(
      w.poller, {std::string(Way::scheme) + "://two-addresses.test:9", folder.path() / "keys", 5, {}});
  auto& client = *made_client;
  w.drive(client);
  w.next(client, kind::lost);
  w.forget(client);
  lookups_that_fail = 0;
}

#define YONDER_TEST_KEYS(...)                                   \
  TEST_CASE_TEMPLATE_INVOKE(unknown_key_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(added_key_cases, __VA_ARGS__);      \
  TEST_CASE_TEMPLATE_INVOKE(removed_key_cases, __VA_ARGS__);    \
  TEST_CASE_TEMPLATE_INVOKE(unusable_list_cases, __VA_ARGS__);  \
  TEST_CASE_TEMPLATE_INVOKE(removed_list_cases, __VA_ARGS__);   \
  TEST_CASE_TEMPLATE_INVOKE(roles_cases, __VA_ARGS__);          \
  TEST_CASE_TEMPLATE_INVOKE(revoked_cases, __VA_ARGS__);        \
  TEST_CASE_TEMPLATE_INVOKE(withdrawn_cases, __VA_ARGS__);      \
  TEST_CASE_TEMPLATE_INVOKE(changed_rights_cases, __VA_ARGS__); \
  TEST_CASE_TEMPLATE_INVOKE(others_session_cases, __VA_ARGS__); \
  TEST_CASE_TEMPLATE_INVOKE(own_role_cases, __VA_ARGS__);       \
  TEST_CASE_TEMPLATE_INVOKE(names_cases, __VA_ARGS__);          \
  TEST_CASE_TEMPLATE_INVOKE(silent_address_cases, __VA_ARGS__); \
  TEST_CASE_TEMPLATE_INVOKE(waits_for_name_cases, __VA_ARGS__)

}  // namespace yonder::testing
