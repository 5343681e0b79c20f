// SPDX-License-Identifier: Apache-2.0
#include <sys/eventfd.h>

#include <array>
#include <future>
#include <string>
#include <system_error>
#include <thread>

#include "src/platform/system_call.hpp"
#include "src/platform/thread.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/remote.hpp"
#include "transports/setup_error.hpp"
#include "transports/zmq/enrolment.hpp"
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

// Nor where there is no thread for it: one that does its work, and one that tidies up.
void require_threads() {
  std::array<std::thread, 2> held;
  std::promise<void> asked;
  auto const answer = asked.get_future().share();
  auto const let_go = [&] {
    asked.set_value();
    for (auto& one : held)
      if (one.joinable()) one.join();
  };
  try {
    for (auto& one : held) one = platform::start_thread("yonder-setup", [answer] { answer.wait(); });
  } catch (std::system_error const& error) {
    let_go();
    throw std::system_error(
        error.code(), "too few threads, or too little memory for them, are left (ulimit -u, ulimit -v)");
  }
  let_go();
}

// What the system does not give is said as it says it: std::system_error.
template <class Make>
auto set_up(Make make) {
  require_descriptors();
  require_threads();
  try {
    return make();
  } catch (zmq::error_t const& error) {
    throw std::system_error(error.num(), std::generic_category(),
                            std::string("ZeroMQ cannot be set up (") + error.what() + ")");
  }
}

class zmq_remote_transport final : public remote_transport {
 public:
  std::unique_ptr<listener> listen(poller& ready, listen_options const& options) const override {
    return set_up([&] { return std::make_unique<zmq_server>(ready, options); });
  }
  std::unique_ptr<endpoint> connect(poller& ready, connect_options const& options) const override {
    return set_up([&] { return std::make_unique<zmq_client>(ready, options); });
  }
  connect_options admitted(connect_options options) const override {
    if (options.address.find('#') == options.address.npos) return options;
    return set_up([&] { return enrolled(std::move(options)); });
  }
};

}  // namespace

remote_transport const& zmq_transport() {
  static zmq_remote_transport const transport;
  return transport;
}

}  // namespace yonder::transport
