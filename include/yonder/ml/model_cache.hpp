// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>

#include "yonder/ml/export.hpp"

namespace yonder::ml {

// Where Hugging Face's tools keep what is this user's: HF_HOME, else XDG_CACHE_HOME/huggingface, else
// ~/.cache/huggingface. Empty where none of these variables is set.
YONDER_KERNELS_API std::filesystem::path hugging_face_home();

// Hugging Face's cache of this user: HF_HUB_CACHE, else hub in their home. Empty where there is neither.
YONDER_KERNELS_API std::filesystem::path model_cache();

}  // namespace yonder::ml
