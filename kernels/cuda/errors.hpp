// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>

#include "yonder/ml/errors.hpp"

namespace yonder::kernels::cuda {

enum class failure : std::uint8_t {
  none,
  unavailable,    // no driver, no device, or none that runs these kernels
  out_of_memory,  // of the device; everything else goes on
  failed,         // this call alone
  lost            // sticky: no call of this process will succeed on the device again
};

// What a cudaError_t means for what comes next. By number, as the toolkit's headers are not needed for it:
// https://docs.nvidia.com/cuda/cuda-runtime-api/group__CUDART__TYPES.html
failure classify(int code) noexcept;

// Throws the ml::gpu_error of the code; returns where there is none. `what` was being done; `name` is CUDA's
// for the code.
void raise(int code, char const* name, std::string const& what);

// Calls run(first, last) for all items of [first, last), in order and each in one call that returns: for half
// as many, where it throws ml::gpu_out_of_memory. Throws that where one item alone does not fit, and what
// else run throws.
template <class Run>
void run_in_halves(std::size_t first, std::size_t last, Run const& run) {
  for (std::size_t count = last - first; first < last;) {
    count = std::min(count, last - first);
    try {
      run(first, first + count);
      first += count;
    } catch (ml::gpu_out_of_memory const&) {
      if (count == 1) throw;
      count = (count + 1) / 2;
    }
  }
}

}  // namespace yonder::kernels::cuda
