// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/socket.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "src/platform/unique_fd.hpp"

namespace yonder::transport {

// Sockets that do not block, and are closed in programs that are started. Where there is none errno says why.

// Of connections that are being made.
platform::unique_fd dial(std::filesystem::path const& path);
platform::unique_fd dial(std::string const& literal, std::uint16_t port);

// Of what others connect to.
platform::unique_fd listen_at(std::filesystem::path const& path);
// "*": all addresses of this machine; also a name. Port 0: one that the system chooses.
platform::unique_fd listen_at(std::string const& host, std::uint16_t port);

std::uint16_t port_of(int socket) noexcept;

// Whether something can be read, or written where that is asked for, or the connection has ended.
bool is_ready(int socket, bool to_write) noexcept;

}  // namespace yonder::transport
