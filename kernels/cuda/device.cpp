// SPDX-License-Identifier: Apache-2.0
#include "cuda/device.hpp"

#include "cuda/accelerator.hpp"
#include "cuda/support.hpp"

namespace yonder::kernels::cuda {
namespace {

// Without code that runs on it, each kernel would fail.
void check_code(cudaDeviceProp const& gpu, std::string const& described) {
  gpu_support const support = support_of(gpu.major, gpu.minor);
  if (!support.is_usable())
    throw ml::gpu_unavailable(described + "; the kernels need 8.0; use the device cpu");
  std::string const built_for = built_for_architecture();
  if (!built_for.empty()) {
    if (runs_on(built_for, gpu.major, gpu.minor)) return;
    throw ml::gpu_unavailable(described + "; this Yonder was built for " + built_for +
                              " alone (YONDER_CUDA_ARCHITECTURE); build it for this GPU, or for all, or use "
                              "the device cpu");
  }
  int driver = 0;
  check(cudaDriverGetVersion(&driver), "asking for the driver's version");
  if (support.from != gpu_support::code::ptx || driver >= built_with_toolkit()) return;
  throw ml::gpu_unavailable(described + "; the driver would have to compile its kernels, and is older (" +
                            version(driver) + ") than the toolkit that they come from (" +
                            version(built_with_toolkit()) +
                            "); update the driver, build for this GPU, or use the device cpu");
}

}  // namespace

device_properties use_device(int index) {
  int count = 0;
  check(cudaGetDeviceCount(&count), "looking for a GPU");
  if (index < 0 || index >= count) {
    throw ml::gpu_unavailable("cuda:" + std::to_string(index) + " was asked for; this machine has " +
                              std::to_string(count) + " GPUs, counted from cuda:0");
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "reading the properties of a GPU");
  check_code(properties, "cuda:" + std::to_string(index) + " is a " + properties.name +
                             " of compute capability " + std::to_string(properties.major) + "." +
                             std::to_string(properties.minor));
  check(cudaSetDevice(index), "choosing a GPU");
  return {properties.name, properties.major, properties.minor, properties.multiProcessorCount};
}

device_block allocate_on_device(std::size_t bytes) {
  void* block = nullptr;
  check(cudaMalloc(&block, bytes), "allocating " + std::to_string(bytes) + " bytes on the GPU");
  return device_block(static_cast<std::byte*>(block));
}

pinned_block allocate_pinned(std::size_t bytes) {
  void* block = nullptr;
  check(cudaHostAlloc(&block, bytes, cudaHostAllocMapped),
        "pinning " + std::to_string(bytes) + " bytes of host memory");
  return pinned_block(static_cast<std::byte*>(block));
}

}  // namespace yonder::kernels::cuda
