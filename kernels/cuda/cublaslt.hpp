// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cublasLt.h>

#include <cstddef>
#include <map>
#include <memory>
#include <tuple>
#include <vector>

#include "cuda/arguments.hpp"
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
  decltype(&::cublasLtMatmul) matmul;
  decltype(&::cublasLtGetVersion) version;
};

// Throws ml::gpu_unavailable.
cublaslt_functions const& cublaslt();

// Matrix products by cuBLASLt, which accumulates in float. The algorithm of each shape is the fastest of
// those that the library proposes, timed once; one that was never timed is the library's first proposal. Not
// thread-safe.
template <class T>
class products {
 public:
  // `workspace` in device memory, which must live as long. Throws ml::gpu_error.
  products(void* workspace, std::size_t bytes);
  products(products const&) = delete;
  products& operator=(products const&) = delete;
  ~products();

  // Chooses the algorithm for the shape of `a`, unless that was done. Overwrites `a.out`.
  void tune(cudaStream_t stream, product_arguments<T> const& a);
  void run(cudaStream_t stream, product_arguments<T> const& a);

 private:
  struct plan;
  using shape = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t, bool>;

  static shape shape_of(product_arguments<T> const& a) {
    return {a.rows, a.columns, a.depth, a.bias != nullptr};
  }
  std::unique_ptr<plan> make_plan(product_arguments<T> const& a, int proposals) const;
  cublasStatus_t multiply(cudaStream_t stream, plan const& how, cublasLtMatmulAlgo_t const& algorithm,
                          product_arguments<T> const& a) const;
  double time(cudaStream_t stream, plan const& how, cublasLtMatmulAlgo_t const& algorithm,
              product_arguments<T> const& a) const;

  cublasLtHandle_t handle_ = nullptr;
  void* workspace_;
  std::size_t workspace_bytes_;
  std::map<shape, std::unique_ptr<plan>> plans_;
};

inline constexpr std::size_t workspace_bytes = std::size_t{32} << 20;  // as NVIDIA advises for Hopper

}  // namespace yonder::kernels::cuda
