// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace yonder::kernels {

// RFC 4648, padded. Nothing where the text is not that.
std::optional<std::string> decode_base64(std::string_view text);

}  // namespace yonder::kernels
