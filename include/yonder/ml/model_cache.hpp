// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "yonder/ml/export.hpp"

namespace yonder::ml {

// Hugging Face's cache of this user: HF_HUB_CACHE, else HF_HOME/hub, else XDG_CACHE_HOME/huggingface/hub,
// else
// ~/.cache/huggingface/hub. Empty where none of these variables is set.
YONDER_KERNELS_API std::filesystem::path model_cache();

}  // namespace yonder::ml
