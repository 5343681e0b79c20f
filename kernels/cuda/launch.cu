// SPDX-License-Identifier: Apache-2.0
#include "cuda/launch.hpp"

#include <cstdlib>
#include <string_view>

#include "cuda/activation.cuh"
#include "cuda/attention.cuh"
#include "cuda/attention_hopper.cuh"
#include "cuda/heads.cuh"
#include "cuda/row_norm.cuh"
#include "cuda/tensor_map.hpp"

namespace yonder::kernels::cuda {
namespace {

template <class T>
YONDER_KERNEL void random_kernel(T* to, std::size_t count, std::uint32_t seed) {
  std::size_t const i = std::size_t{block_x()} * block_size() + thread_index();
  if (i >= count) return;
  std::uint32_t bits = static_cast<std::uint32_t>(i) * 2654435761U ^ seed;
  bits = (bits ^ bits >> 15) * 2246822519U;
  bits ^= bits >> 13;
  to[i] = from_float<T>(static_cast<float>(bits >> 8) * 0x1p-23F - 1.0F);
}

YONDER_KERNEL void hold_kernel(long long cycles) {
  for (long long const begin = clock64(); clock64() - begin < cycles;) {
  }
}

// `shared_bytes`: what the kernel takes dynamically.
template <class... Parameters>
void launch(cudaStream_t stream, bool overlap, void (*kernel)(Parameters...), launch_grid const& grid,
            std::size_t shared_bytes, Parameters const&... arguments) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(grid.x, grid.y);
  config.blockDim = dim3(grid.threads);
  config.dynamicSmemBytes = shared_bytes;
  config.stream = stream;
  config.attrs = &attribute;
  config.numAttrs = overlap ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, arguments...), "launching a kernel");
}

template <class T, int HeadSize>
void launch_hopper_attention(cudaStream_t stream, bool overlap, attention_arguments<T> const& a) {
  constexpr std::size_t shared_bytes = sizeof(hopper_attention_memory<T, HeadSize>);
  auto* const kernel = hopper_attention<T, HeadSize>;
  check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, int{shared_bytes}),
        "asking for shared memory");
  CUtensorMap const qkv = tensor_map_of({a.qkv, a.rows, 3 * a.heads * a.head_size, rows_of_box, a.head_size});
  launch<attention_arguments<T>, CUtensorMap>(stream, overlap, kernel, grid_of(a), shared_bytes, a, qkv);
}

}  // namespace

attention_unit attention_unit_of(device_properties const& device) noexcept {
  char const* const stated = std::getenv("YONDER_GPU_ATTENTION");
  bool const hopper = device.major == 9 && device.minor == 0;
  bool const warps = stated != nullptr && std::string_view(stated) == "warp";
  return hopper && !warps && has_tensor_maps() ? attention_unit::warpgroup : attention_unit::warp;
}

void hold(cudaStream_t stream, double microseconds) {
  constexpr double cycles_of_a_microsecond = 1800.0;
  hold_kernel<<<1, 1, 0, stream>>>(static_cast<long long>(microseconds * cycles_of_a_microsecond));
  check(cudaGetLastError(), "launching a kernel");
}

template <class T>
void fill_randomly(cudaStream_t stream, T* to, std::size_t count, std::uint32_t seed) {
  random_kernel<T><<<static_cast<unsigned>((count + 255) / 256), 256, 0, stream>>>(to, count, seed);
  check(cudaGetLastError(), "launching a kernel");
}

// What comes before it may be a copy, which no launch can overlap.
template <class T>
void gpu_operators<T>::run(embedding_arguments<T> const& a) {
  launch(stream_, false, embedding_kernel<T>, grid_of(a), 0, a);
}

template <class T>
void gpu_operators<T>::run(product_arguments<T> const& a) {
  products_.run(stream_, a);
}

template <class T>
void gpu_operators<T>::run(attention_arguments<T> const& a) {
  bool const narrow = a.head_size == 32;
  if (a.warps == hopper_attention_warps) {
    return (narrow ? launch_hopper_attention<T, 32> : launch_hopper_attention<T, 64>)(stream_, overlap_, a);
  }
  launch(stream_, overlap_, narrow ? attention_kernel<T, 32> : attention_kernel<T, 64>, grid_of(a), 0, a);
}

template <class T>
void gpu_operators<T>::run(residual_norm_arguments<T> const& a) {
  launch(stream_, overlap_, residual_norm_kernel<T>, grid_of(a), 0, a);
}

template <class T>
void gpu_operators<T>::run(activation_arguments<T> const& a) {
  launch(stream_, overlap_, activation_kernel<T>, grid_of(a), 0, a);
}

template <class T>
void gpu_operators<T>::run(classification_arguments<T> const& a) {
  launch(stream_, overlap_, classification_kernel<T>, grid_of(a), 0, a);
}

template <class T>
void gpu_operators<T>::run(pooling_arguments<T> const& a) {
  launch(stream_, overlap_, pooling_kernel<T>, grid_of(a), 0, a);
}

template class gpu_operators<bf16>;
template class gpu_operators<f16>;
template void fill_randomly(cudaStream_t, bf16*, std::size_t, std::uint32_t);
template void fill_randomly(cudaStream_t, f16*, std::size_t, std::uint32_t);

}  // namespace yonder::kernels::cuda
