// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdlib>
#include <string>

namespace e2e {

// An address as it stands ("tcp://…", "ipc://…"), or, where YONDER_E2E_SOCKETS is set, the one of
// yonder::sockets that is like it: the same tests for both.
inline std::string over(std::string const& address) {
  if (std::getenv("YONDER_E2E_SOCKETS") == nullptr) return address;
  if (address.starts_with("tcp://")) return "tls" + address.substr(3);
  if (address.starts_with("ipc://")) return "unix" + address.substr(3);
  return address;
}

}  // namespace e2e
