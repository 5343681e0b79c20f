// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "tests/unit/core/loopback.hpp"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

namespace yonder::core::test {

// A hub, two callers that are nothing to each other, and its operator.
struct three_callers {
  loopback net{hub_config{}};
  loopback::client_end& caller = net.add_client({}, "key of a caller");
  loopback::client_end& other = net.add_client({}, "key of another");
  loopback::client_end& boss = net.add_client({}, "key of the hub", true);

  // What the hub answers to an order: `what`.
  outcome& ask(loopback::client_end& who, std::string_view what, std::string const& payload) {
    auto const call = net.submit(who, payload, {.idempotent = true}, what, 0);
    REQUIRE(who.outcomes.count(call.number) == 1);
    return who.outcomes.at(call.number);
  }
};

}  // namespace yonder::core::test
