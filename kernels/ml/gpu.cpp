// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/gpu.hpp"

#include "cuda/doctor.hpp"

namespace yonder::ml {

gpu_report examine_gpu() {
  auto const facts = kernels::cuda::gather_gpu_facts();
  auto const advice = kernels::cuda::advise(facts);
  return {advice.used, advice.answer, kernels::cuda::describe(facts)};
}

}  // namespace yonder::ml
