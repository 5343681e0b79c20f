// SPDX-License-Identifier: Apache-2.0
#include <sys/eventfd.h>

#include <array>
#include <string>
#include <system_error>

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/remote.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/zmq_client.hpp"
#include "transports/zmq/zmq_server.hpp"

namespace yonder::transport {

namespace {

// libzmq ends the process where there is no descriptor for what its threads need: it is not asked then.
void require_descriptors() {
  std::array<platform::unique_fd, 16> held;
  for (auto& one : held) {
    one.reset(::eventfd(0, EFD_CLOEXEC));
    if (!one) platform::throw_errno("too few descriptors are left (ulimit -n)");
  }
}

// What the system does not give: descriptors, memory.
template <class Make>
auto set_up(Make make) {
  auto const refuse = [](char const* why) {
    throw setup_error(errc::bad_configuration, std::string("ZeroMQ cannot be set up: ") + why);
  };
  try {
    require_descriptors();
    return make();
  } catch (zmq::error_t const& error) {
    refuse(error.what());
  } catch (std::system_error const& error) {
    refuse(error.what());
  }
  return decltype(make())();
}

class zmq_remote_transport final : public remote_transport {
 public:
  std::unique_ptr<listener> listen(poller& ready, listen_options const& options) const override {
    return set_up([&] { return std::make_unique<zmq_server>(ready, options); });
  }
  std::unique_ptr<endpoint> connect(poller& ready, connect_options const& options) const override {
    return set_up([&] { return std::make_unique<zmq_client>(ready, options); });
  }
};

}  // namespace

remote_transport const& zmq_transport() {
  static zmq_remote_transport const transport;
  return transport;
}

}  // namespace yonder::transport
