// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

namespace yonder::kernels::unicode {

// The bytes of the extended grapheme cluster at the front of `text` (Unicode Standard Annex #29, version 17).
// Precondition: valid UTF-8 that begins a cluster, not empty.
std::size_t grapheme_bytes(std::string_view text) noexcept;

}  // namespace yonder::kernels::unicode
