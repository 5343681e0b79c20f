// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

namespace yonder::ml {

// What the matrix products of an encoder compute with. Sums, softmax, layer norm and activations are in fp32
// always, and so is the classifier's head.
enum class precision : std::uint8_t {
  fp32,
  bf16,  // weights and activations are rounded to bf16
  fp16,  // the same with fp16; GPUs only
  int8   // weights: a scale for each output; activations: one for each token, taken from its values
};

// Where a model computes.
struct device {
  // The processor, a GPU by NVIDIA, or whichever is there.
  enum class kind : std::uint8_t { cpu, cuda, automatic };

  kind where = kind::cpu;  // which of them
  unsigned index = 0;      // of a GPU, as CUDA counts those that it shows this process

  // This machine's processor.
  static constexpr device cpu() noexcept { return {}; }
  // A GPU by NVIDIA, of compute capability 8.0 or later.
  static constexpr device cuda(unsigned index = 0) noexcept { return {kind::cuda, index}; }
  // The first GPU where there is one that can run the model, else the CPU.
  static constexpr device automatic() noexcept { return {kind::automatic, 0}; }
};

// How a text classifier or a sentence encoder is made.
struct text_options {
  // Tokens of a text at most, [CLS] and [SEP] included. 0: what the model's folder says
  // (sentence_*_config.json, tokenizer_config.json, in this order). Never more than the model has positions.
  std::size_t max_tokens = 0;
  // A longer text is cut as Hugging Face's tokenizer cuts it; if false, it throws text_too_long.
  bool truncate = true;
  // Nothing: fp32 on the CPU, bf16 on a GPU. A GPU has bf16 and fp16, the CPU all but fp16; constructors
  // throw std::invalid_argument where another is asked for.
  std::optional<precision> compute = std::nullopt;
  // Constructors throw gpu_error where a GPU is asked for by name and cannot be used.
  ml::device device = ml::device::cpu();
  // That work on one call at most, the caller included. 0: YONDER_THREADS, or else as many as the CPUs that
  // the process may run on. Results have the same bits whatever the number.
  std::size_t threads = 0;
};

}  // namespace yonder::ml
