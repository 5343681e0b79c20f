// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <tuple>

#include "cuda/batch.hpp"
#include "cuda/cublaslt.hpp"
#include "cuda/device.hpp"
#include "cuda/operators.hpp"
#include "cuda/tensor_map.hpp"

namespace yonder::kernels::cuda {

// The operators on a GPU, in the order of one stream: they return before the work is done. With dependent
// launch a kernel starts while the one before it ends (sm_90 and newer).
template <class T>
class gpu_operators final : public operators<T> {
 public:
  // `products` must live as long. Of the device that is chosen.
  gpu_operators(cudaStream_t stream, products<T>& products, bool dependent_launch);

  void run(embedding_arguments<T> const& a) override;
  void run(product_arguments<T> const& a) override;
  void run(attention_arguments<T> const& a) override;
  void run(norm_arguments<T> const& a) override;
  void run(activation_arguments<T> const& a) override;
  void run(gate_arguments<T> const& a) override;
  void run(rotary_arguments<T> const& a) override;
  void run(classification_arguments<T> const& a) override;
  void run(pooling_arguments<T> const& a) override;
  void run(label_arguments<T> const& a) override;

  bool dependent_launch() const noexcept { return dependent_launch_; }
  void set_dependent_launch(bool on) noexcept { dependent_launch_ = on; }

 private:
  // Address, rows, columns, columns of a box.
  using matrix_key = std::tuple<void const*, std::uint32_t, std::uint32_t, std::uint32_t>;

  struct launch_manner {
    std::size_t shared_bytes;  // that the kernel takes dynamically
    bool dependent;
  };

  template <class... Parameters>
  void launch(launch_manner const& how, void (*kernel)(Parameters...), launch_grid const& grid,
              Parameters const&... arguments);
  template <int HeadSize>
  void launch_hopper_attention(attention_arguments<T> const& a);

  cudaStream_t stream_;
  products<T>& products_;
  bool dependent_launch_;
  cudaLaunchAttribute dependent_{};
  std::map<matrix_key, CUtensorMap> tensor_maps_;
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
