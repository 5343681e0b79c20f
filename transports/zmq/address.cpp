// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/address.hpp"

#include <sys/un.h>

#include "transports/setup_error.hpp"

namespace yonder::transport {

namespace {

constexpr std::string_view ipc_scheme = "ipc://";
constexpr std::string_view tcp_scheme = "tcp://";

[[noreturn]] void refuse(std::string const& address, std::string const& why) {
  throw setup_error(errc::bad_configuration, "\"" + address + "\" " + why);
}

}  // namespace

std::optional<std::filesystem::path> ipc_path(std::string const& address) {
  if (address.starts_with(tcp_scheme)) {
    if (address.find(':', tcp_scheme.size()) == std::string::npos)
      refuse(address, "has no port: tcp://HOST:PORT");
    return std::nullopt;
  }
  if (!address.starts_with(ipc_scheme))
    refuse(address, "is no address: tcp://HOST:PORT or ipc:///FOLDER/NAME");
  std::filesystem::path path(address.substr(ipc_scheme.size()));
  if (!path.is_absolute() || !path.has_filename())
    refuse(address, "needs an absolute path: ipc:///FOLDER/NAME");
  if (path.native().size() >= sizeof(sockaddr_un::sun_path))
    refuse(address, "is longer than the " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                        " bytes that the system allows for a socket's path");
  return path;
}

}  // namespace yonder::transport
