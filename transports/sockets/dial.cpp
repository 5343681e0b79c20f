// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/dial.hpp"

#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/un.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "src/platform/system_call.hpp"

namespace yonder::transport {

namespace {

constexpr int socket_kind = SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK;

sockaddr_un address_of(std::filesystem::path const& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.native().copy(address.sun_path, sizeof address.sun_path - 1);
  return address;
}

// A connection that is being made goes on by itself, whatever interrupts us.
bool connects(int socket, sockaddr const* to, socklen_t size) {
  return ::connect(socket, to, size) == 0 || errno == EINPROGRESS || errno == EINTR;
}

using address_list = std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)>;

address_list look_up(std::string const& host, std::uint16_t port, int flags) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = flags | AI_NUMERICSERV;
  addrinfo* first = nullptr;
  auto const fault = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &first);
  if (fault != 0 && fault != EAI_SYSTEM) errno = EADDRNOTAVAIL;
  return address_list(fault == 0 ? first : nullptr, &::freeaddrinfo);
}

platform::unique_fd listening(int family, sockaddr const* address, socklen_t size) {
  platform::unique_fd socket(::socket(family, socket_kind, 0));
  if (!socket) return {};
  int const on = 1, off = 0;
  if (family != AF_UNIX) ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (family == AF_INET6) ::setsockopt(socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
  if (::bind(socket.get(), address, size) == 0 && ::listen(socket.get(), SOMAXCONN) == 0) return socket;
  auto const error = errno;
  socket.reset();
  errno = error;
  return {};
}

}  // namespace

platform::unique_fd dial(std::filesystem::path const& path) {
  platform::unique_fd socket(::socket(AF_UNIX, socket_kind, 0));
  auto const address = address_of(path);
  if (!socket || connects(socket.get(), reinterpret_cast<sockaddr const*>(&address), sizeof address))
    return socket;
  auto const error = errno;
  socket.reset();
  errno = error;
  return {};
}

platform::unique_fd dial(std::string const& literal, std::uint16_t port) {
  auto const to = look_up(literal, port, AI_NUMERICHOST);
  if (!to) return {};
  platform::unique_fd socket(::socket(to->ai_family, socket_kind, 0));
  if (!socket || connects(socket.get(), to->ai_addr, to->ai_addrlen)) return socket;
  auto const error = errno;
  socket.reset();
  errno = error;
  return {};
}

platform::unique_fd listen_at(std::filesystem::path const& path) {
  auto const address = address_of(path);
  return listening(AF_UNIX, reinterpret_cast<sockaddr const*>(&address), sizeof address);
}

platform::unique_fd listen_at(std::string const& host, std::uint16_t port) {
  if (host == "*") {
    sockaddr_in6 all{};
    all.sin6_family = AF_INET6;
    all.sin6_port = htons(port);
    auto socket = listening(AF_INET6, reinterpret_cast<sockaddr const*>(&all), sizeof all);
    if (socket || errno != EAFNOSUPPORT) return socket;
    return listen_at("0.0.0.0", port);
  }
  auto const where = look_up(host, port, AI_PASSIVE);
  for (auto const* one = where.get(); one != nullptr; one = one->ai_next)
    if (auto socket = listening(one->ai_family, one->ai_addr, one->ai_addrlen)) return socket;
  return {};
}

std::uint16_t port_of(int socket) noexcept {
  sockaddr_storage where{};
  socklen_t size = sizeof where;
  if (::getsockname(socket, reinterpret_cast<sockaddr*>(&where), &size) != 0) return 0;
  sockaddr_in6 as_6{};
  sockaddr_in as_4{};
  std::memcpy(&as_6, &where, sizeof as_6);
  std::memcpy(&as_4, &where, sizeof as_4);
  return ntohs(where.ss_family == AF_INET6 ? as_6.sin6_port : as_4.sin_port);
}

bool is_ready(int socket, bool to_write) noexcept {
  pollfd asked{socket, static_cast<short>(to_write ? POLLOUT : POLLIN), 0};
  return platform::retry([&] { return ::poll(&asked, 1, 0); }) > 0;
}

}  // namespace yonder::transport
