// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>

#include "model/config.hpp"
#include "model/sentence_folder.hpp"

namespace yonder::kernels {

// What sentence-transformers' CrossEncoder makes of a folder.
struct cross_encoder_folder {
  sentence_folder model;  // of it encoder, max_length and lowercase
  std::optional<score_function>
      activation;  // sigmoid, or none for the logits; nothing: by the number of labels
};

// modules.json, config_sentence_transformers.json and sentence_*_config.json where the folder was saved as a
// CrossEncoder, and config.json's older keys. Throws ml::model_error.
cross_encoder_folder read_cross_encoder_folder(std::filesystem::path const& folder, text_reader const& read);
cross_encoder_folder read_cross_encoder_folder(std::filesystem::path const& folder);

}  // namespace yonder::kernels
