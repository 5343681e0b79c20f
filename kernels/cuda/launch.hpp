// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>

#include "cuda/batch.hpp"
#include "cuda/cublaslt.hpp"
#include "cuda/device.hpp"
#include "cuda/operators.hpp"

namespace yonder::kernels::cuda {

// The operators on a GPU, in the order of one stream: they return before the work is done. With `overlap` a
// kernel starts while the one before it ends (programmatic dependent launch, sm_90 and newer).
template <class T>
class gpu_operators final : public operators<T> {
 public:
  // `products` must live as long.
  gpu_operators(cudaStream_t stream, products<T>& products, bool overlap)
      : stream_(stream), products_(products), overlap_(overlap) {}

  void run(embedding_arguments<T> const& a) override;
  void run(product_arguments<T> const& a) override;
  void run(attention_arguments<T> const& a) override;
  void run(residual_norm_arguments<T> const& a) override;
  void run(activation_arguments<T> const& a) override;
  void run(classification_arguments<T> const& a) override;
  void run(pooling_arguments<T> const& a) override;

 private:
  cudaStream_t stream_;
  products<T>& products_;
  bool overlap_;
};

// Warpgroups on Hopper, for which alone there is machine code with their products, unless the environment's
// YONDER_GPU_ATTENTION is `warp`.
attention_unit attention_unit_of(device_properties const& device) noexcept;

// Keeps the stream busy for about so long: what is enqueued meanwhile then runs without waiting for the host,
// and events round it tell the device's time alone.
void hold(cudaStream_t stream, double microseconds);

// Uniform in [-1, 1): times and tests on zeros mislead.
template <class T>
void fill_randomly(cudaStream_t stream, T* to, std::size_t count, std::uint32_t seed);

}  // namespace yonder::kernels::cuda
