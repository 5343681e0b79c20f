// SPDX-License-Identifier: Apache-2.0
#include "cuda/launch.hpp"

#include <cstdlib>
#include <string_view>

#include "cuda/activation.cuh"
#include "cuda/attention.cuh"
#include "cuda/attention_hopper.cuh"
#include "cuda/heads.cuh"
#include "cuda/rotary.cuh"
#include "cuda/row_norm.cuh"
#include "cuda/support.hpp"
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

template <class T, int HeadSize>
constexpr int hopper_attention_bytes = int{sizeof(hopper_attention_memory<T, HeadSize>)};

template <class T, int HeadSize>
void allow_hopper_attention() {
  check(cudaFuncSetAttribute(hopper_attention<T, HeadSize>, cudaFuncAttributeMaxDynamicSharedMemorySize,
                             hopper_attention_bytes<T, HeadSize>),
        "asking for shared memory");
}

}  // namespace

attention_unit attention_unit_of(device_properties const& device) noexcept {
  char const* const stated = std::getenv("YONDER_GPU_ATTENTION");
  bool const hopper = support_of(device.major, device.minor).attention == attention_unit::warpgroup;
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

template <class T>
gpu_operators<T>::gpu_operators(cudaStream_t stream, products<T>& products, bool dependent_launch)
    : stream_(stream), products_(products), dependent_launch_(dependent_launch) {
  dependent_.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  dependent_.val.programmaticStreamSerializationAllowed = 1;
  int device = 0;
  check(cudaGetDevice(&device), "asking for the GPU");
  if (attention_unit_of(use_device(device)) != attention_unit::warpgroup) return;
  allow_hopper_attention<T, 32>();
  allow_hopper_attention<T, 64>();
}

template <class T>
template <class... Parameters>
void gpu_operators<T>::launch(launch_manner const& how, void (*kernel)(Parameters...),
                              launch_grid const& grid, Parameters const&... arguments) {
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(grid.x, grid.y);
  config.blockDim = dim3(grid.threads);
  config.dynamicSmemBytes = how.shared_bytes;
  config.stream = stream_;
  config.attrs = &dependent_;
  config.numAttrs = how.dependent ? 1 : 0;
  check(cudaLaunchKernelEx(&config, kernel, arguments...), "launching a kernel");
}

template <class T>
template <int HeadSize>
void gpu_operators<T>::launch_hopper_attention(attention_arguments<T> const& a) {
  std::uint32_t const columns = 3 * a.heads * a.head_size;
  matrix_key const key{a.qkv, a.rows, columns, a.head_size};
  auto known = tensor_maps_.find(key);
  if (known == tensor_maps_.end()) {
    known =
        tensor_maps_.emplace(key, tensor_map_of({a.qkv, a.rows, columns, rows_of_box, a.head_size})).first;
  }
  launch<attention_arguments<T>, CUtensorMap>({hopper_attention_bytes<T, HeadSize>, dependent_launch_},
                                              hopper_attention<T, HeadSize>, grid_of(a), a, known->second);
}

// What comes before it is a copy, which no launch overlaps.
template <class T>
void gpu_operators<T>::run(embedding_arguments<T> const& a) {
  with_width(a.width, [&](auto width) { launch({0, false}, embedding_kernel<T, width>, grid_of(a), a); });
}

// An activation that the product's epilogue cannot do comes after it.
template <class T>
void gpu_operators<T>::run(product_arguments<T> const& a) {
  if (products_.can(a)) return products_.run(stream_, a);
  product_arguments<T> plain = a;
  plain.bias = nullptr;
  plain.function = std::nullopt;
  products_.run(stream_, plain);
  run(activation_arguments<T>{a.out, a.bias, *a.function, a.rows, a.columns});
}

template <class T>
void gpu_operators<T>::run(attention_arguments<T> const& a) {
  bool const narrow = a.head_size == 32;
  if (a.has_pattern()) {
    return launch({0, dependent_launch_}, narrow ? pattern_attention<T, 32> : pattern_attention<T, 64>,
                  grid_of(a), a);
  }
  if (a.warps == hopper_attention_warps)
    return narrow ? launch_hopper_attention<32>(a) : launch_hopper_attention<64>(a);
  launch({0, dependent_launch_}, narrow ? attention_kernel<T, 32> : attention_kernel<T, 64>, grid_of(a), a);
}

template <class T>
void gpu_operators<T>::run(norm_arguments<T> const& a) {
  with_width(a.width, [&](auto width) {
    launch({0, dependent_launch_}, norm_kernel<T, width>, grid_of(a), a);
  });
}

template <class T>
void gpu_operators<T>::run(activation_arguments<T> const& a) {
  launch({0, dependent_launch_}, activation_kernel<T>, grid_of(a), a);
}

template <class T>
void gpu_operators<T>::run(gate_arguments<T> const& a) {
  launch({0, dependent_launch_}, gate_kernel<T>, grid_of(a), a);
}

template <class T>
void gpu_operators<T>::run(rotary_arguments<T> const& a) {
  launch({0, dependent_launch_}, rotary_kernel<T>, grid_of(a), a);
}

template <class T>
void gpu_operators<T>::run(label_arguments<T> const& a) {
  launch({0, dependent_launch_}, label_kernel<T>, grid_of(a), a);
}

template <class T>
void gpu_operators<T>::run(classification_arguments<T> const& a) {
  launch({0, dependent_launch_}, classification_kernel<T>, grid_of(a), a);
}

template <class T>
void gpu_operators<T>::run(pooling_arguments<T> const& a) {
  launch({0, dependent_launch_}, pooling_kernel<T>, grid_of(a), a);
}

template class gpu_operators<bf16>;
template class gpu_operators<f16>;
template void fill_randomly(cudaStream_t, bf16*, std::size_t, std::uint32_t);
template void fill_randomly(cudaStream_t, f16*, std::size_t, std::uint32_t);

}  // namespace yonder::kernels::cuda
