// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "yonder/http.hpp"

namespace yonder::http {

// The endpoints of this program, by name; of several images that contain one, the first.
std::vector<detail::endpoint_entry const*> all_endpoints();

}  // namespace yonder::http
