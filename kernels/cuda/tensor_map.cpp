// SPDX-License-Identifier: Apache-2.0
#include "cuda/tensor_map.hpp"

#include <array>
#include <string>

#include "cuda/device.hpp"

namespace yonder::kernels::cuda {
namespace {

using encode_function = decltype(&cuTensorMapEncodeTiled);
constexpr unsigned first_version = 12'000;  // of CUDA, with this function

encode_function find_encode() noexcept {
  void* function = nullptr;
  cudaDriverEntryPointQueryResult found{};
  if (cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, first_version, cudaEnableDefault,
                                       &found) != cudaSuccess) {
    cudaGetLastError();
    return nullptr;
  }
  return found == cudaDriverEntryPointSuccess ? reinterpret_cast<encode_function>(function) : nullptr;
}

encode_function encode() noexcept {
  static encode_function const function = find_encode();
  return function;
}

}  // namespace

bool has_tensor_maps() noexcept { return encode() != nullptr; }

CUtensorMap tensor_map_of(boxed_matrix const& matrix) {
  if (!has_tensor_maps())
    throw ml::gpu_unavailable(
        "the driver has no cuTensorMapEncodeTiled: it is older than CUDA 12; update it");
  std::array<cuuint64_t, 2> const sizes = {matrix.columns, matrix.rows};
  std::array<cuuint64_t, 1> const stride = {std::uint64_t{matrix.columns} * 2};
  std::array<cuuint32_t, 2> const box = {matrix.box_columns, matrix.box_rows};
  std::array<cuuint32_t, 2> const every = {1, 1};
  CUtensorMap map{};
  auto const swizzle = matrix.box_columns == 64 ? CU_TENSOR_MAP_SWIZZLE_128B : CU_TENSOR_MAP_SWIZZLE_64B;
  CUresult const result =
      encode()(&map, CU_TENSOR_MAP_DATA_TYPE_UINT16, 2, const_cast<void*>(matrix.base), sizes.data(),
               stride.data(), box.data(), every.data(), CU_TENSOR_MAP_INTERLEAVE_NONE, swizzle,
               CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) raise(static_cast<int>(result), "CUresult", "describing a matrix to the GPU");
  return map;
}

}  // namespace yonder::kernels::cuda
