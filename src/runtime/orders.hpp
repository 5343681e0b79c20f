// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <string>
#include <string_view>

namespace yonder::detail {

class engine;

// What a hub elsewhere answers to an order (core/pool_orders.hpp, core/call_orders.hpp). Throws what
// runtime::pools() does.
YONDER_API std::string ask_hub(engine& where, std::string_view order, std::string const& payload);

}  // namespace yonder::detail
