// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transports/conformance.hpp"
#include "tests/unit/transports/remote_conformance.hpp"
#include "tests/unit/transports/socket_ways.hpp"
#include "tests/unit/transports/zmq_world.hpp"

namespace yonder::testing {

namespace {

enum class socket_scheme { local, tls };

template <socket_scheme Scheme>
class socket_link {
 public:
  socket_link(world& w, limits const& bounds) : world_(w), bounds_(bounds) {
    transport::keygen(keys());
    auto const address = Scheme == socket_scheme::tls ? "tls://127.0.0.1:*"
                                                      : "unix://" + (folder_.path() / "socket/hub").string();
    server_ = transport::socket_transport().listen(w.poller, {{address}, keys(), bounds});
    w.drive(*server_);
  }
  ~socket_link() {
    for (auto& each : clients_) {
      if (each) world_.forget(*each);
    }
    world_.forget(*server_);
  }

  endpoint& server() { return *server_; }
  endpoint& client(std::size_t i) { return *clients_[i]; }

  void connect() {
    clients_.push_back(transport::socket_transport().connect(
        world_.poller, {server_->addresses().front(), keys(), 100 + clients_.size(), bounds_}));
    world_.drive(*clients_.back());
  }

  void destroy(std::size_t i) {
    world_.forget(*clients_[i]);
    clients_[i].reset();
  }

 private:
  std::filesystem::path keys() const { return folder_.path() / "keys"; }

  world& world_;
  limits bounds_;
  temporary_folder folder_;
  std::unique_ptr<transport::listener> server_;
  std::vector<std::unique_ptr<endpoint>> clients_;
};

}  // namespace

using unix_link = socket_link<socket_scheme::local>;
using tls_link = socket_link<socket_scheme::tls>;

}  // namespace yonder::testing

using yonder::testing::tls_link;
using yonder::testing::tls_way;
using yonder::testing::unix_link;
using yonder::testing::unix_way;
TYPE_TO_STRING(unix_link);
TYPE_TO_STRING(tls_link);
TYPE_TO_STRING(unix_way);
TYPE_TO_STRING(tls_way);

namespace yonder::testing {
YONDER_TEST_TRANSPORT(unix_link, tls_link);
YONDER_TEST_REMOTE_TRANSPORT(unix_way, tls_way);
}  // namespace yonder::testing
