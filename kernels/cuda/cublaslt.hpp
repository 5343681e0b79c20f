// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cublasLt.h>

#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <tuple>
#include <vector>

#include "cuda/algorithm_store.hpp"
#include "cuda/arguments.hpp"
#include "cuda/device.hpp"
#include "cuda/number.hpp"

namespace yonder::kernels::cuda {

// cuBLASLt, loaded when it is first needed: it has half a gigabyte, and a machine without a GPU lacks it.
struct cublaslt_functions {
  decltype(&::cublasLtCreate) create;
  decltype(&::cublasLtDestroy) destroy;
  decltype(&::cublasLtMatmulDescCreate) description_create;
  decltype(&::cublasLtMatmulDescDestroy) description_destroy;
  decltype(&::cublasLtMatmulDescSetAttribute) description_set;
  decltype(&::cublasLtMatrixLayoutCreate) layout_create;
  decltype(&::cublasLtMatrixLayoutDestroy) layout_destroy;
  decltype(&::cublasLtMatmulPreferenceCreate) preference_create;
  decltype(&::cublasLtMatmulPreferenceDestroy) preference_destroy;
  decltype(&::cublasLtMatmulPreferenceSetAttribute) preference_set;
  decltype(&::cublasLtMatmulAlgoGetHeuristic) heuristic;
  decltype(&::cublasLtMatmulAlgoCheck) algorithm_check;
  decltype(&::cublasLtMatmul) matmul;
  decltype(&::cublasLtGetVersion) version;
};

// Throws ml::gpu_unavailable.
cublaslt_functions const& cublaslt();

// Matrix products by cuBLASLt, which accumulates in float, partial sums too, and adds bias, residual and
// activation before it rounds (its gelu is the tanh form). The algorithm of each shape is the fastest of
// those that the library proposes, timed once for each device and kept (algorithm_store); where none can be
// kept, and for a shape that nobody tuned, it is the library's first proposal: processes differ in no bit.
// Not thread-safe.
template <class T>
class products {
 public:
  // `workspace` in device memory, which must live as long, as must `kept`. Throws ml::gpu_error.
  products(device_properties const& device, void* workspace, std::size_t bytes, algorithm_store& kept);
  products(products const&) = delete;
  products& operator=(products const&) = delete;
  ~products();

  // Whether there is an algorithm with this activation.
  bool can(product_arguments<T> const& a);
  // Chooses the algorithm for a shape, unless that was done. `same_shape`: as many products as there are
  // weights, in turn, so that none stays in the cache for the next. Overwrites their `out`.
  void tune(cudaStream_t stream, std::span<product_arguments<T> const> same_shape);
  void run(cudaStream_t stream, product_arguments<T> const& a);

 private:
  struct plan;
  using shape = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, bool, bool, int>;

  static shape shape_of(product_arguments<T> const& a);
  std::string key_of(product_arguments<T> const& a) const;
  plan& plan_of(product_arguments<T> const& a);
  std::unique_ptr<plan> make_plan(product_arguments<T> const& a) const;
  bool is_usable(plan const& how, cublasLtMatmulAlgo_t const& algorithm) const;
  // Nothing where none runs.
  std::optional<cublasLtMatmulAlgo_t> fastest(cudaStream_t stream, plan const& how,
                                              std::span<product_arguments<T> const> same_shape) const;
  cublasStatus_t multiply(cudaStream_t stream, plan const& how, cublasLtMatmulAlgo_t const& algorithm,
                          product_arguments<T> const& a) const;
  double time(cudaStream_t stream, plan const& how, cublasLtMatmulAlgo_t const& algorithm,
              std::span<product_arguments<T> const> same_shape) const;

  cublasLtHandle_t handle_ = nullptr;
  void* workspace_;
  std::size_t workspace_bytes_;
  algorithm_store& kept_;
  std::string device_;  // and versions: what an algorithm holds for
  std::map<shape, std::unique_ptr<plan>> plans_;
};

inline constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // as NVIDIA advises for Hopper

}  // namespace yonder::kernels::cuda
