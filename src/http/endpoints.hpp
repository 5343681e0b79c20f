// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "yonder/http.hpp"

namespace yonder::http {

// The endpoints of this program, by kind and name; of several images that contain one, the first. Throws
// usage_error where two of one image would be reached alike.
std::vector<detail::endpoint_entry const*> all_endpoints();

}  // namespace yonder::http
