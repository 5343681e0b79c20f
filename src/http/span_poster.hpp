// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>

#include "src/runtime/gateway.hpp"

namespace yonder::http {

// OTLP/HTTP. Throws usage_error.
std::unique_ptr<span_poster> make_span_poster(poster_options const& how);

}  // namespace yonder::http
