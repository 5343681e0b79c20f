// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>

#include <system_error>

#include "tests/unit/transports/conformance.hpp"
#include "transports/inproc/inproc_endpoint.hpp"
#include "transports/local/local_endpoint.hpp"

namespace yonder::testing {

namespace {

template <class Endpoint>
std::unique_ptr<Endpoint> make(world& w, limits const& bounds) {
  if constexpr (std::is_same_v<Endpoint, transport::inproc_endpoint>)
    return std::make_unique<Endpoint>(bounds);
  else
    return std::make_unique<Endpoint>(w.poller, bounds);
}

// One serving endpoint and clients of the same class.
template <class Endpoint, bool has_memory = false>
class pair_link {
 public:
  pair_link(world& w, limits const& bounds) : world_(w), bounds_(bounds), server_(make<Endpoint>(w, bounds)) {
    world_.drive(*server_);
  }
  ~pair_link() {
    for (auto& each : clients_) {
      if (each) world_.forget(*each);
    }
    world_.forget(*server_);
  }

  endpoint& server() { return *server_; }
  endpoint& client(std::size_t i) { return *clients_[i]; }

  void connect() {
    clients_.push_back(make<Endpoint>(world_, bounds_));
    world_.drive(*clients_.back());
    join(*server_, *clients_.back());
  }

  void destroy(std::size_t i) {
    world_.forget(*clients_[i]);
    clients_[i].reset();
  }

 private:
  static void join(transport::inproc_endpoint& server, transport::inproc_endpoint& client) {
    client.connect(server.where());
  }

  static void join(transport::local_endpoint& server, transport::local_endpoint& client) {
    int sockets[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, sockets) != 0)
      throw std::system_error(errno, std::generic_category(), "socketpair");
    if constexpr (has_memory) {
      auto made = transport::channel::make();
      server.add(platform::unique_fd(sockets[0]), std::move(made.ours));
      client.add(platform::unique_fd(sockets[1]), transport::channel::join(std::move(made.theirs)));
    } else {
      server.add(platform::unique_fd(sockets[0]));
      client.add(platform::unique_fd(sockets[1]));
    }
  }

  world& world_;
  limits bounds_;
  std::unique_ptr<Endpoint> server_;
  std::vector<std::unique_ptr<Endpoint>> clients_;
};

}  // namespace

using local_link = pair_link<transport::local_endpoint>;
using shared_memory_link = pair_link<transport::local_endpoint, true>;
using inproc_link = pair_link<transport::inproc_endpoint>;

}  // namespace yonder::testing

using yonder::testing::inproc_link;
using yonder::testing::local_link;
using yonder::testing::shared_memory_link;
TYPE_TO_STRING(local_link);
TYPE_TO_STRING(shared_memory_link);
TYPE_TO_STRING(inproc_link);

namespace yonder::testing {
YONDER_TEST_TRANSPORT(local_link, shared_memory_link, inproc_link);
}
