// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace yonder::kernels::cpu {

// What this processor has, and the system lets a process use.
struct machine {
  bool avx2 = false;         // with FMA and F16C
  bool avx512 = false;       // F, DQ, BW and VL
  bool avx512_vnni = false;  // these two with avx512 only
  bool avx512_bf16 = false;
  bool amx = false;  // tiles of int8 and bf16; with both of the above only
};

machine const& this_machine() noexcept;

}  // namespace yonder::kernels::cpu
