// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <doctest/doctest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/support/held_port.hpp"
#include "tests/unit/transports/zmq_world.hpp"
#include "transports/remote.hpp"
#include "transports/zmq/keys.hpp"

namespace yonder::testing {

// How a hub is reached, in the tests that run over each:
//   struct way { static remote_transport const& transport(); static constexpr char const* scheme;
//                static constexpr bool has_keys; };
// One with keys crosses a network, one without has a path.

// A hub at one address, which can end and come back, and clients that know it.
template <class Way>
class hub_place {
 public:
  world w;
  temporary_folder folder;
  std::unique_ptr<transport::listener> server;

  hub_place() {
    if (Way::has_keys) transport::keygen(keys());
    auto const scheme = std::string(Way::scheme);
    address = Way::has_keys ? scheme + port_.address().substr(port_.address().find("://"))
                            : scheme + "://" + (folder.path() / "hub").string();
  }
  ~hub_place() {
    if (server) stop();
  }

  std::string address;
  std::filesystem::path keys() const { return folder.path() / "keys"; }

  void start(limits const& bounds = {}) {
    server = Way::transport().listen(w.poller, {{address}, keys(), bounds});
    w.drive(*server);
  }
  void stop() {
    w.forget(*server);
    server.reset();
  }
  std::unique_ptr<endpoint> client(std::uint64_t session = 1) {
    auto made = client_of(w, session);
    w.drive(*made);
    return made;
  }
  // Of another driver.
  std::unique_ptr<endpoint> client_of(world& other, std::uint64_t session = 1) const {
    return Way::transport().connect(other.poller, {address, keys(), session, {}});
  }

  // A client, and its peer at both ends.
  struct connection {
    std::unique_ptr<endpoint> client;
    peer_id at_client, at_server;
    std::string identity;
  };
  connection connected(std::uint64_t session = 1) {
    connection made{client(session), 0, 0, {}};
    made.at_client = w.next(*made.client, kind::connected).peer;
    w.send(*made.client, made.at_client, make_frame(session));
    auto known = w.next(*server, kind::connected);
    made.at_server = known.peer;
    made.identity = std::move(known.identity);
    REQUIRE(same(w.next(*server, kind::received).message, make_frame(session)));
    return made;
  }

 private:
  held_port port_;
};

}  // namespace yonder::testing
