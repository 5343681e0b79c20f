// SPDX-License-Identifier: Apache-2.0
#include "tests/unit/transports/conformance.hpp"
#include "tests/unit/transports/remote_conformance.hpp"
#include "tests/unit/transports/zmq_hub.hpp"
#include "tests/unit/transports/zmq_world.hpp"

namespace yonder::testing {

namespace {

enum class zmq_scheme { ipc, tcp };

template <zmq_scheme Scheme>
class zmq_link {
 public:
  zmq_link(world& w, limits const& bounds) : world_(w), bounds_(bounds) {
    transport::keygen(keys());
    auto const address =
        Scheme == zmq_scheme::tcp ? "tcp://127.0.0.1:*" : "ipc://" + (folder_.path() / "socket/hub").string();
    server_ = transport::zmq_transport().listen(w.poller, {{address}, keys(), bounds});
    w.drive(*server_);
  }
  ~zmq_link() {
    for (auto& each : clients_) {
      if (each) world_.forget(*each);
    }
    world_.forget(*server_);
  }

  endpoint& server() { return *server_; }
  endpoint& client(std::size_t i) { return *clients_[i]; }

  void connect() {
    clients_.push_back(transport::zmq_transport().connect(
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

using zmq_ipc_link = zmq_link<zmq_scheme::ipc>;
using zmq_tcp_link = zmq_link<zmq_scheme::tcp>;

}  // namespace yonder::testing

using yonder::testing::zmq_ipc_link;
using yonder::testing::zmq_ipc_way;
using yonder::testing::zmq_tcp_link;
using yonder::testing::zmq_tcp_way;
TYPE_TO_STRING(zmq_ipc_link);
TYPE_TO_STRING(zmq_tcp_link);
TYPE_TO_STRING(zmq_ipc_way);
TYPE_TO_STRING(zmq_tcp_way);

namespace yonder::testing {
YONDER_TEST_TRANSPORT(zmq_ipc_link, zmq_tcp_link);
YONDER_TEST_REMOTE_TRANSPORT(zmq_ipc_way, zmq_tcp_way);
}  // namespace yonder::testing
