// SPDX-License-Identifier: Apache-2.0
#include <poll.h>
#include <sys/eventfd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/platform/system_call.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/remote.hpp"
#include "transports/sockets/dial.hpp"
#include "transports/sockets/joint_listener.hpp"
#include "transports/sockets/socket_client.hpp"
#include "transports/sockets/socket_server.hpp"
#include "transports/zmq/enrolment.hpp"
#include "transports/zmq/name_lookup.hpp"

namespace yonder::transport {

namespace {

using deadline = std::chrono::steady_clock::time_point;

constexpr std::size_t answer_size = 5;

std::span<std::byte const> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

// Until the connection can go on, or the time is over (false).
bool waits(opening const& way, deadline until) {
  auto const left =
      std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
  if (left.count() <= 0) return false;
  pollfd asked{way.descriptor(), static_cast<short>(way.wants_write() ? POLLOUT : POLLIN), 0};
  return platform::retry([&] { return ::poll(&asked, 1, static_cast<int>(left.count())); }) > 0;
}

// A token at one address of a hub. Whoever is there has proved to be the hub once the handshake is done: from
// then on it may have used the token up, and is waited for as long as there is time.
std::optional<enrolment> ask(enrolment_attempt const& at, handed_over const& token,
                             std::string const& request) {
  auto const where = std::get<tcp_address>(parse_address(at.address, address_use::connect, socket_schemes));
  connect_keys keys;
  keys.own.bytes = token.secret.bytes;
  keys.server = token.server;
  tls_settings const settings;
  auto socket = dial(where.host, where.port);
  if (!socket) return std::nullopt;
  auto const descriptor = socket.get();
  prepare_network_socket(descriptor);
  opening way(std::move(socket), std::make_unique<tls_connection>(settings, descriptor, keys), true);
  way.say(greeting{.what = greeting::kind::enrols}.bytes());
  way.say(bytes_of(request));
  way.hear(greeting::size);
  for (;;) {
    auto const how = way.go_on();
    if (how == opening::result::waits && waits(way, way.is_secured() ? at.until : at.reached_until)) continue;
    if (how != opening::result::done) return std::nullopt;
    greeting said;
    auto const heard = way.heard();
    if (!greeting::read(heard.first(greeting::size), said)) return std::nullopt;
    if (said.what != greeting::kind::welcome) return enrolment::refused;
    auto const answer = heard.subspan(greeting::size);
    if (!answer.empty())
      return read_enrolment_answer({reinterpret_cast<char const*>(answer.data()), answer.size()});
    way.hear(greeting::size + answer_size);
  }
}

// Some for its files, its sockets and its clock; where there are none that is said at once.
void require_descriptors() {
  std::array<platform::unique_fd, 8> held;
  for (auto& one : held) {
    one.reset(::eventfd(0, EFD_CLOEXEC));
    if (!one) platform::throw_errno("too few descriptors are left (ulimit -n)");
  }
}

class socket_remote_transport final : public remote_transport {
 public:
  std::unique_ptr<listener> listen(poller& ready, listen_options const& options) const override {
    auto over_sockets = options;
    auto over_zmq = options;
    std::erase_if(over_sockets.addresses, [](auto const& one) { return !is_of(socket_schemes, one); });
    std::erase_if(over_zmq.addresses, [](auto const& one) { return is_of(socket_schemes, one); });
    if (over_sockets.addresses.empty()) return zmq_transport().listen(ready, over_zmq);
    require_descriptors();
    auto sockets = std::make_unique<socket_server>(ready, over_sockets);
    if (over_zmq.addresses.empty()) return sockets;
    auto zmq = zmq_transport().listen(ready, over_zmq);
    return std::make_unique<joint_listener>(options.addresses, std::move(zmq), std::move(sockets));
  }

  std::unique_ptr<endpoint> connect(poller& ready, connect_options const& options) const override {
    if (!is_of(socket_schemes, options.address)) return zmq_transport().connect(ready, options);
    require_descriptors();
    return std::make_unique<socket_client>(ready, options);
  }

  connect_options admitted(connect_options options) const override {
    if (!is_of(socket_schemes, options.address)) return zmq_transport().admitted(std::move(options));
    return enrolled(std::move(options), socket_schemes, &ask);
  }
};

}  // namespace

remote_transport const& socket_transport() {
  static socket_remote_transport const transport;
  return transport;
}

}  // namespace yonder::transport
