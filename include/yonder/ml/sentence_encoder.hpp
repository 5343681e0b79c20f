// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/ml/export.hpp"
#include "yonder/ml/text_options.hpp"
#include "yonder/ml/tokenized_texts.hpp"

namespace yonder::ml {

// How texts become vectors, where it is not as the folder says; named as in sentence-transformers' encode().
struct encode_options {
  // Which of the folder's prompts stands before each text: "query", say. Nothing: its default one, if any.
  std::optional<std::string> prompt_name = std::nullopt;
  // The prompt itself, over prompt_name; "": none.
  std::optional<std::string> prompt = std::nullopt;
  // The first numbers of each vector, as models with nested (Matryoshka) vectors allow. 0: dimension().
  std::size_t truncate_dim = 0;

  friend bool operator==(encode_options const&, encode_options const&) = default;
};

// A part of a text, as many tokens as the encoder takes at once, and its vector.
struct encoded_window {
  std::vector<float> values;  // as of a text of its own
  std::size_t begin = 0;      // its first byte in the text
  std::size_t end = 0;        // the byte after its last

  friend bool operator==(encoded_window const&, encoded_window const&) = default;
};

// A sentence-transformers folder (modules.json; Transformer, Pooling, then Dense and Normalize in any order)
// or any Hugging Face folder with a BERT, DistilBERT or RoBERTa encoder, whose last hidden states are then
// averaged over the tokens. Vectors are those of sentence-transformers' encode(), with the default prompt and
// truncate_dim of the folder; docs/models.md says what becomes of each key of its files.
//
// Const calls may run on several threads at once. Weights that are looked up by row stay in the mapped file:
// replace it by a rename, never in place, while a model is loaded.
class YONDER_KERNELS_API sentence_encoder {
 public:
  // `folder` is a path, a repository of Hugging Face's cache, or the name of a model, ORG/NAME or
  // ORG/NAME@REVISION, that is in YONDER_MODELS or in that cache; nothing is downloaded (docs/models.md).
  // Throws model_error and gpu_error (errors.hpp), and std::invalid_argument for options that leave no room
  // for a token or that the device does not have.
  explicit sentence_encoder(std::filesystem::path const& folder, text_options options = {});
  sentence_encoder(sentence_encoder&&) noexcept;
  sentence_encoder& operator=(sentence_encoder&&) noexcept;
  ~sentence_encoder();

  // dimension() floats. Throws text_error: invalid_utf8, or text_too_long where options forbid cutting.
  std::vector<float> operator()(std::string_view text) const;
  // One for each text, in order; on the CPU the same bits as one at a time. One bad text throws for all.
  std::vector<std::vector<float>> operator()(std::span<std::string_view const> texts) const;
  std::vector<std::vector<float>> operator()(std::span<std::string const> texts) const;

  // The same with another prompt or dimension. Throws std::invalid_argument, too, for a name that no prompt
  // has.
  std::vector<float> operator()(std::string_view text, encode_options const& options) const;
  std::vector<std::vector<float>> operator()(std::span<std::string const> texts,
                                             encode_options const& options) const;

  // A vector for each window of a text, in order; neighbours share `overlap` tokens, and each begins with the
  // prompt. The windows are those of Hugging Face's tokenizers (stride, return_overflowing_tokens): of a text
  // that is not too long there is one, with the text's vector. Throws as a call with options, and
  // std::invalid_argument for an overlap of as many tokens as a window has room for.
  std::vector<encoded_window> encode_windows(std::string_view text, std::size_t overlap,
                                             encode_options const& options = {}) const;
  // Those of each text, in order; one bad text throws for all.
  std::vector<std::vector<encoded_window>> encode_windows(std::span<std::string const> texts,
                                                          std::size_t overlap,
                                                          encode_options const& options = {}) const;

  // The first half of the work: const calls on other threads compute meanwhile. No bad text throws, but has
  // an error there.
  tokenized_texts tokenize(std::span<std::string const> texts) const;
  // With another prompt; the second half knows no truncate_dim.
  tokenized_texts tokenize(std::span<std::string const> texts, encode_options const& options) const;
  // The second half, for each text in order; nothing of one with an error. Throws std::invalid_argument where
  // another model made the tokens.
  std::vector<std::vector<float>> operator()(tokenized_texts const& texts) const;

  // How many numbers a vector has: the hidden size, or that of a Dense module, or truncate_dim.
  std::size_t dimension() const noexcept;
  // The names of the folder's prompts.
  std::vector<std::string> prompt_names() const;
  // Where it computes, for people: "CPU, fp32", or "cuda:0 (NVIDIA H200), bf16".
  std::string placement() const;

 private:
  class implementation;
  std::unique_ptr<implementation const> implementation_;
};

}  // namespace yonder::ml
