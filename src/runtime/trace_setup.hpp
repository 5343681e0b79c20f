// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "src/runtime/gateway.hpp"
#include "src/runtime/trace_writer.hpp"
#include "yonder/runtime.hpp"

namespace yonder::runtime_detail {

// What the options and, where those say nothing, the variables of the environment ask for; null: nothing.
// `variable`: the value of one, or an empty text. Throws usage_error.
std::shared_ptr<trace_writer> open_traces(runtime_options const& options, bool embeds_hub,
                                          http::gateway_factory const* factory,
                                          std::function<std::string(char const*)> const& variable);

}  // namespace yonder::runtime_detail
