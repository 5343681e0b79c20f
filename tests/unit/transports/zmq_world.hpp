// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <filesystem>
#include <string>
#include <system_error>

#include "src/platform/unique_fd.hpp"
#include "tests/unit/transports/signal_storm.hpp"
#include "tests/unit/transports/world.hpp"
#include "transports/remote.hpp"
#include "transports/zmq/keys.hpp"

namespace yonder::testing {

// A folder of this test's own, 0700, that goes with it.
class temporary_folder {
 public:
  temporary_folder() {
    auto name = (std::filesystem::temp_directory_path() / "yonder-test-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), "mkdtemp");
    path_ = name;
  }
  ~temporary_folder() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;

  std::filesystem::path const& path() const { return path_; }

 private:
  std::filesystem::path path_;
};

// As a client has it at its `start`th connection.
inline std::string routing_id(std::uint64_t session, char start) {
  std::string id = "Y";
  for (int i = 0; i < 8; ++i) id += static_cast<char>(session >> (8 * i));
  return id + std::string(3, '\0') + start;
}

// A server of plain TCP on the loopback device that accepts a connection and closes it: a tunnel without a
// hub.
class tunnel {
 public:
  tunnel() : listening_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    int const on = 1;
    ::setsockopt(listening_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    sockaddr_in where{};
    where.sin_family = AF_INET;
    where.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof where;
    auto* const address = reinterpret_cast<sockaddr*>(&where);
    if (::bind(listening_.get(), address, size) != 0 || ::listen(listening_.get(), 8) != 0 ||
        ::getsockname(listening_.get(), address, &size) != 0)
      throw std::system_error(errno, std::generic_category(), "listen");
    port_ = std::to_string(ntohs(where.sin_port));
  }

  std::string const& port() const { return port_; }

  // Accepts and closes what has come; returns how many so far.
  int close_all() {
    while (platform::unique_fd(::accept4(listening_.get(), nullptr, nullptr, SOCK_CLOEXEC))) ++closed_;
    return closed_;
  }

 private:
  platform::unique_fd listening_;
  std::string port_;
  int closed_ = 0;
};

}  // namespace yonder::testing
