// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>

#include "transports/transport.hpp"

namespace yonder::detail {

// How yonder::core reaches yonder::zmq, which it does not link: programs that link it pass its address.
struct zmq_transport {
  // To the hub at `address`. `session` names this end across reconnections. Throws transport::setup_error.
  std::unique_ptr<transport::endpoint> (*connect)(transport::poller& poller, std::string const& address,
                                                  std::string const& keys, std::uint64_t session,
                                                  transport::limits const& limits);

  // Serves clients and workers at `addresses`. Throws transport::setup_error.
  std::unique_ptr<transport::endpoint> (*bind)(transport::poller& poller,
                                               std::span<std::string const> addresses,
                                               std::string const& keys, transport::limits const& limits);
};

}  // namespace yonder::detail
