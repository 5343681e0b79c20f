// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "cuda/batch.hpp"

namespace yonder::kernels::cuda {

// Of a driver or a toolkit, as CUDA numbers them: 12080 is "12.8".
inline std::string version(int number) {
  return std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10);
}

// What runs on a GPU of a compute capability.
struct gpu_support {
  enum class code : std::uint8_t { none, sm_80, sm_90a, ptx };

  code from = code::none;  // ptx: the driver compiles it for the GPU
  attention_unit attention = attention_unit::warp;
  bool dependent_launch = false;

  constexpr bool is_usable() const noexcept { return from != code::none; }
};

// Machine code for 8.0 runs on all of 8.x; what is for 9.0a on 9.0 alone. mma.m16n8k16 and bf16 begin
// with 8.0.
constexpr gpu_support support_of(int major, int minor) noexcept {
  using code = gpu_support::code;
  if (major < 8) return {};
  if (major == 8) return {code::sm_80, attention_unit::warp, false};
  if (major == 9 && minor == 0) return {code::sm_90a, attention_unit::warpgroup, true};
  return {code::ptx, attention_unit::warp, true};
}

// Whether machine code for one architecture, as nvcc names it ("80", "90a"), runs on such a GPU: on later
// ones of its major version too, unless it ends in "a".
constexpr bool runs_on(std::string_view architecture, int major, int minor) noexcept {
  bool const exact = architecture.ends_with('a');
  if (exact) architecture.remove_suffix(1);
  int number = 0;
  for (char const digit : architecture) number = number * 10 + (digit - '0');
  return number / 10 == major && (exact ? minor == number % 10 : minor >= number % 10);
}

// A row of the table in docs/gpu/README.md.
inline std::string describe_support(int major, int minor) {
  gpu_support const found = support_of(major, minor);
  std::string const capability = std::to_string(major) + '.' + std::to_string(minor);
  if (!found.is_usable()) return "| " + capability + " | none: the CPU is used | – | – | – | – |";
  char const* const codes[] = {"none", "machine code for 8.0", "machine code for 9.0a", "PTX for 9.0"};
  return "| " + capability + " | " + codes[static_cast<int>(found.from)] + " | bf16, fp16 | bf16, fp16 | " +
         (found.attention == attention_unit::warpgroup ? "by `wgmma` from 64 tokens on, by `mma.sync` below"
                                                       : "by `mma.sync`") +
         " | " + (found.dependent_launch ? "yes" : "no") + " |";
}

}  // namespace yonder::kernels::cuda
