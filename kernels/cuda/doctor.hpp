// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace yonder::kernels::cuda {

// What can be known of this machine's GPUs without CUDA's toolkit.
struct gpu_facts {
  struct gpu {
    std::string name;
    int major = 0;
    int minor = 0;
  };

  enum class access { missing, forbidden, ruled_out, open };  // ruled_out: by a cgroup, whoever asks

  bool built_with_cuda = false;
  int toolkit = 0;        // of the build, as 13000 for 13.0
  std::string built_for;  // the only architecture, as nvcc names it; empty: all
  bool on_bus = false;    // PCI knows an NVIDIA GPU
  bool in_container = false;
  bool driver_loaded = false;            // the kernel's module
  access control = access::missing;      // /dev/nvidiactl
  access gpu_node = access::missing;     // the best of /dev/nvidia0, 1, …
  access memory_node = access::missing;  // /dev/nvidia-uvm
  bool has_driver_library = false;       // libcuda.so.1
  std::string driver_library;            // where it was found
  int driver = 0;                        // the newest CUDA that it serves
  std::optional<std::string> visible;    // CUDA_VISIBLE_DEVICES
  bool split_by_mig = false;
  int init_error = 0;     // of cuInit
  std::vector<gpu> gpus;  // that CUDA shows this process
  bool has_cublaslt = false;
  std::string cache;                   // where the driver keeps what it compiles, as it would name it
  bool may_cache = false;              // it can be written, and is not switched off
  std::optional<std::string> refusal;  // why the kernels cannot use cuda:0
};

struct gpu_advice {
  bool used = false;
  std::string answer;  // one line: whether, and if not, why and what to type
};

// Will cuda:0 be used by device::automatic()?
gpu_advice advise(gpu_facts const& facts);

// Of this machine.
gpu_facts gather_gpu_facts();

// What was seen, a line each.
std::vector<std::string> describe(gpu_facts const& facts);

}  // namespace yonder::kernels::cuda
