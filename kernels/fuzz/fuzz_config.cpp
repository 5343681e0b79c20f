// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "model/config.hpp"
#include "yonder/ml/errors.hpp"

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  try {
    auto const config = yonder::kernels::parse_config({reinterpret_cast<char const*>(data), size}, "input");
    if (config.encoder.heads == 0 || config.encoder.hidden % config.encoder.heads != 0) __builtin_trap();
    if (config.classifies_sequences && config.classifier.labels.empty()) __builtin_trap();
  } catch (yonder::ml::model_error const&) {
  }
  return 0;
}
