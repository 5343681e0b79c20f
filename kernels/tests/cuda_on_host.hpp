// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

// What the encoder calls of CUDA's runtime and of cuBLASLt, on the host, with the kernels that the emulation
// runs. It promises no more than NVIDIA does: what is enqueued happens when somebody waits for its stream, a
// copy from pageable memory when somebody waits for the legacy stream, fresh memory holds NaNs. Thread-safe.
namespace yonder::kernels::cuda::on_host {

inline constexpr std::uint64_t proposals = 3;  // algorithms that the library proposes for each shape

struct behaviour {
  std::size_t bytes = std::size_t{1} << 36;  // of device memory
  bool refuses_capture = false;
  bool refuses_dependent_capture = false;
  bool refuses_products = false;
  bool is_lost = false;       // each wait fails
  int major = 9;              // of its compute capability
  int driver = 99'990;        // the CUDA that the driver serves
  std::uint64_t fastest = 1;  // algorithm
};

// As it shall be from now on; what was counted before is forgotten.
void behave(behaviour const& how);

struct counts {
  int captures = 0;
  int launched_graphs = 0;
  std::vector<std::uint64_t> algorithms;  // of each product that ran, in order
};
counts counted();

// Larger buckets go through everything but the kernels themselves, which would take minutes.
inline constexpr std::size_t most_computed_rows = 32;

}  // namespace yonder::kernels::cuda::on_host
