// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "model/unigram.hpp"

namespace yonder::kernels {

// What XLMRobertaTokenizer takes of SentencePiece's .model file (sentencepiece_model.proto).
struct sentencepiece_model {
  enum class kind : std::uint8_t { normal = 1, unknown, control, user_defined, unused, byte };

  std::vector<scored_piece> pieces;
  std::vector<kind> kinds;  // of each
  std::string charsmap;     // empty: none
};

// Throws ml::malformed_file, naming `file`.
sentencepiece_model parse_sentencepiece_model(std::string_view bytes, std::string const& file);

}  // namespace yonder::kernels
