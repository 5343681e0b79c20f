// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>
#include <system_error>

#include "src/platform/unique_fd.hpp"

namespace yonder::testing {

// A port of 127.0.0.1 for a hub that is started there again and again: in between the system gives it to
// nobody else. It is bound and does not listen, so that another socket that may reuse the address can.
class held_port {
 public:
  held_port() : socket_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    int const yes = 1;
    sockaddr_in here{};
    here.sin_family = AF_INET;
    here.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof here;
    auto* const address = reinterpret_cast<sockaddr*>(&here);
    if (::setsockopt(socket_.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes) != 0 ||
        ::bind(socket_.get(), address, size) != 0 || ::getsockname(socket_.get(), address, &size) != 0)
      throw std::system_error(errno, std::generic_category(), "no port can be held");
    address_ = "tcp://127.0.0.1:" + std::to_string(ntohs(here.sin_port));
  }
  std::string const& address() const noexcept { return address_; }

 private:
  platform::unique_fd socket_;
  std::string address_;
};

}  // namespace yonder::testing
