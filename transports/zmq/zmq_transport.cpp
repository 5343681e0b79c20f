// SPDX-License-Identifier: Apache-2.0
#include "transports/remote.hpp"
#include "transports/zmq/zmq_client.hpp"
#include "transports/zmq/zmq_server.hpp"

namespace yonder::transport {

namespace {

class zmq_remote_transport final : public remote_transport {
 public:
  std::unique_ptr<listener> listen(poller& ready, listen_options const& options) const override {
    return std::make_unique<zmq_server>(ready, options);
  }
  std::unique_ptr<endpoint> connect(poller& ready, connect_options const& options) const override {
    return std::make_unique<zmq_client>(ready, options);
  }
};

}  // namespace

remote_transport const& zmq_transport() {
  static zmq_remote_transport const transport;
  return transport;
}

}  // namespace yonder::transport
