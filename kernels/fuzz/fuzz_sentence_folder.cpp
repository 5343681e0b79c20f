// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "model/cross_encoder_folder.hpp"
#include "model/sentence_folder.hpp"
#include "yonder/ml/errors.hpp"

namespace {

namespace fs = std::filesystem;

constexpr char const* files[] = {"modules.json",
                                 "1_Pooling/config.json",
                                 "sentence_bert_config.json",
                                 "config_sentence_transformers.json",
                                 "2_Dense/config.json",
                                 "config.json"};

void check_inside(fs::path const& path) {
  for (auto const& part : path.lexically_relative("model")) {
    if (part == "..") __builtin_trap();
  }
}

}  // namespace

// The files of a sentence-transformers folder, each up to the next zero byte; an empty one is not there.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  std::map<fs::path, std::string> texts;
  std::string_view left(reinterpret_cast<char const*>(data), size);
  for (char const* file : files) {
    auto const text = left.substr(0, left.find('\0'));
    left.remove_prefix(text.size() < left.size() ? text.size() + 1 : left.size());
    if (!text.empty()) texts.emplace(fs::path("model") / file, text);
  }
  auto const read = [&](fs::path const& path) -> std::optional<std::string> {
    check_inside(path);
    auto const found = texts.find(path);
    return found != texts.end() ? std::optional(found->second) : std::nullopt;
  };
  try {
    auto const result = yonder::kernels::read_sentence_folder("model", read);
    if (result.pooling.empty() || result.truncated_width == 0) __builtin_trap();
    check_inside(result.encoder);
  } catch (yonder::ml::model_error const&) {
  }
  try {
    check_inside(yonder::kernels::read_cross_encoder_folder("model", read).model.encoder);
  } catch (yonder::ml::model_error const&) {
  }
  return 0;
}
