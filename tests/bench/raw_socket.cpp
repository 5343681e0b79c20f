// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/raw_socket.hpp"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <memory>
#include <system_error>

namespace bench {
namespace {

void write_all(int socket, char const* data, std::size_t size) {
  while (size != 0) {
    auto const count = ::write(socket, data, size);
    if (count < 0) throw std::system_error(errno, std::generic_category(), "write");
    data += count;
    size -= static_cast<std::size_t>(count);
  }
}

}  // namespace

raw_socket_echo::ends::ends() {
  int both[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  ours.reset(both[0]);
  theirs.reset(both[1]);
}

raw_socket_echo::raw_socket_echo() : process_([this] { serve_raw_socket(ends_.theirs.get()); }) {
  ends_.theirs.reset();
}

void raw_socket_echo::round_trip(std::string const& message) {
  write_all(ends_.ours.get(), message.data(), message.size());
  answer_.resize(message.size());
  for (std::size_t read = 0; read < answer_.size();) {
    auto const count = ::read(ends_.ours.get(), answer_.data() + read, answer_.size() - read);
    if (count <= 0) throw std::system_error(errno, std::generic_category(), "read");
    read += static_cast<std::size_t>(count);
  }
}

void serve_raw_socket(int socket) {
  constexpr std::size_t size = 1 << 16;
  auto const bytes = std::make_unique<char[]>(size);
  for (ssize_t count; (count = ::read(socket, bytes.get(), size)) > 0;)
    write_all(socket, bytes.get(), static_cast<std::size_t>(count));
}

}  // namespace bench
