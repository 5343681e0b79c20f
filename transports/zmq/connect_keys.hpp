// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

#include "transports/remote.hpp"
#include "transports/zmq/keys.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::transport {

// With which one comes to a hub over a network.
struct connect_keys {
  secret_key own;
  raw_key server{};
};

// Those that the options name as text, or the address hands over (`fragment`, of take_fragment()), or the
// folder has for this role. `shown`: the address, without what stands behind it. Throws setup_error: there
// are none, a file is open to others.
YONDER_API void read_connect_keys(connect_options const& options, std::string const& shown,
                                  std::string_view fragment, connect_keys& read);

}  // namespace yonder::transport
