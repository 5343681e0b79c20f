// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

namespace yonder::kernels::cpu {

// What this processor has, and the system lets a process use.
struct machine {
#if defined(__AARCH64EL__)
  bool dot_product = false;  // FEAT_DotProd: SDOT
  bool bf16 = false;         // FEAT_BF16: BFMMLA
  bool i8mm = false;         // FEAT_I8MM: SMMLA
#else
  bool avx2 = false;         // with FMA and F16C
  bool avx_vnni = false;     // products of bytes in 256 bits; with avx2 only
  bool avx512 = false;       // F, DQ, BW and VL
  bool avx512_vnni = false;  // these two with avx512 only
  bool avx512_bf16 = false;
  bool amx = false;  // tiles of int8 and bf16; with both of the above only
#endif
};

machine const& this_machine() noexcept;

// Bytes of a core's second-level cache, as the system says it; 2 MiB where it does not.
std::size_t second_level_cache() noexcept;

}  // namespace yonder::kernels::cpu
