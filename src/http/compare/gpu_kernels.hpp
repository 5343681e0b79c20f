// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

// What a workload runs on GPUs, kernel by kernel, as NVIDIA's Nsight Systems tells it
// (https://docs.nvidia.com/nsight-systems/UserGuide).
namespace yonder::http::compare {

struct gpu_kernel {
  std::string name;  // as in the source, with its template's arguments
  std::uint64_t launches = 0;
  double seconds = 0;  // of all of them
};

struct gpu_kernels {
  std::vector<gpu_kernel> all{};  // the longest first; empty: none ran
  std::string trouble{};  // why none are told, though there is a GPU; empty: they are, or there is none
};

// What `nsys stats --report cuda_gpu_kern_sum --format csv` prints; whatever stands before is passed over.
// Nothing: it has no such table, or one with something else than numbers in it.
std::optional<std::vector<gpu_kernel>> parse_kernel_table(std::string_view text);
// Whether it says that none ran.
bool says_no_kernels(std::string_view text);

}  // namespace yonder::http::compare
