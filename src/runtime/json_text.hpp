// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace yonder::runtime_detail {

// Appends a text as a JSON string, quotes included. Bytes that are not UTF-8 become '?'.
void append_json(std::string& out, std::string_view text);

}  // namespace yonder::runtime_detail
