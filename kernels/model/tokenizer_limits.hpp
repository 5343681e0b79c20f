// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

namespace yonder::kernels {

// No tokenizer file states a larger id or length.
inline constexpr std::uint64_t max_token_id = 1U << 24;

}  // namespace yonder::kernels
