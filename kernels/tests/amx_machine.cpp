// SPDX-License-Identifier: Apache-2.0
#include "cpu/machine.hpp"

// A machine with AMX, whose tiles are emulated; all else is asked for.
namespace yonder::kernels::cpu {

machine const& this_machine() noexcept {
  static machine const found = [] {
    machine made;
    made.avx2 = __builtin_cpu_supports("avx2") != 0 && __builtin_cpu_supports("fma") != 0;
    made.avx512 = made.avx2 && __builtin_cpu_supports("avx512f") != 0 &&
                  __builtin_cpu_supports("avx512dq") != 0 && __builtin_cpu_supports("avx512bw") != 0 &&
                  __builtin_cpu_supports("avx512vl") != 0;
    made.avx512_bf16 = made.avx512 && __builtin_cpu_supports("avx512bf16") != 0;
    made.avx512_vnni = made.avx512 && __builtin_cpu_supports("avx512vnni") != 0;
    made.amx = made.avx512_bf16 && made.avx512_vnni;
    return made;
  }();
  return found;
}

std::size_t second_level_cache() noexcept { return std::size_t{2} << 20; }

}  // namespace yonder::kernels::cpu
