// SPDX-License-Identifier: Apache-2.0
#include "cuda/accelerator.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels::cuda {

int built_with_toolkit() noexcept { return 0; }
char const* built_for_architecture() noexcept { return ""; }

std::optional<std::string> why_unavailable(unsigned index) {
  return "cuda:" + std::to_string(index) +
         " was asked for, but Yonder was built without CUDA: no nvcc was found, or YONDER_WITH_CUDA is off; "
         "build with -DYONDER_WITH_CUDA=ON, or use the device cpu";
}

std::unique_ptr<accelerator> load_accelerator(weight_files const&, encoder_config const&, model_task const&,
                                              number_format, unsigned index) {
  throw ml::gpu_unavailable(*why_unavailable(index));
}

}  // namespace yonder::kernels::cuda
