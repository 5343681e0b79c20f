// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

namespace yonder::kernels {

enum class pooling_mode : std::uint8_t { first_token, maximum, mean, mean_sqrt_length };

// What a sentence-transformers folder does around its encoder.
struct sentence_folder {
  std::filesystem::path encoder;                             // where config.json and the weights are
  std::vector<pooling_mode> pooling = {pooling_mode::mean};  // their results stand one after the other
  bool normalize = false;                                    // to length 1
  std::optional<std::size_t> max_length;
};

// A folder without modules.json is an encoder alone: mean pooling, as sentence-transformers takes it.
// Throws ml::model_error.
sentence_folder read_sentence_folder(std::filesystem::path const& folder);

}  // namespace yonder::kernels
