// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transports/remote.hpp"

// As of hub_place.hpp.
namespace yonder::testing {

struct unix_way {
  static transport::remote_transport const& transport() { return transport::socket_transport(); }
  static constexpr char const* scheme = "unix";
  static constexpr bool has_keys = false;
};
struct tls_way {
  static transport::remote_transport const& transport() { return transport::socket_transport(); }
  static constexpr char const* scheme = "tls";
  static constexpr bool has_keys = true;
};

}  // namespace yonder::testing
