// SPDX-License-Identifier: Apache-2.0
#include "cuda/device.hpp"

#include "cuda/support.hpp"

namespace yonder::kernels::cuda {
device_properties use_device(int index) {
  int count = 0;
  check(cudaGetDeviceCount(&count), "looking for a GPU");
  if (index < 0 || index >= count) {
    throw ml::gpu_unavailable("cuda:" + std::to_string(index) + " was asked for; this machine has " +
                              std::to_string(count) + " GPUs, counted from cuda:0");
  }
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, index), "reading the properties of a GPU");
  if (!support_of(properties.major, properties.minor).is_usable()) {
    throw ml::gpu_unavailable("cuda:" + std::to_string(index) + " is a " + properties.name +
                              " of compute capability " + std::to_string(properties.major) + "." +
                              std::to_string(properties.minor) +
                              "; the kernels need 8.0; use the device cpu");
  }
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
