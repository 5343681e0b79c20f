// SPDX-License-Identifier: Apache-2.0
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>
#include <string_view>

#include "model/sentence_folder.hpp"
#include "yonder/ml/errors.hpp"

namespace {

namespace fs = std::filesystem;

constexpr char const* files[] = {"modules.json", "1_Pooling/config.json", "sentence_bert_config.json",
                                 "config_sentence_transformers.json", "2_Dense/config.json"};

// One folder for all inputs; it goes with the process.
class temporary_folder {
 public:
  temporary_folder() {
    std::string pattern = (fs::temp_directory_path() / "yonder-fuzz-XXXXXX").string();
    path_ = ::mkdtemp(pattern.data());
    for (char const* file : files) fs::create_directories((path_ / file).parent_path());
  }
  temporary_folder(temporary_folder const&) = delete;
  temporary_folder& operator=(temporary_folder const&) = delete;
  ~temporary_folder() { fs::remove_all(path_); }

  fs::path const& path() const { return path_; }

 private:
  fs::path path_;
};

bool is_inside(fs::path const& path, fs::path const& folder) {
  for (auto const& part : path.lexically_relative(folder)) {
    if (part == "..") return false;
  }
  return true;
}

}  // namespace

// The files of a sentence-transformers folder, each up to the next zero byte; an empty one is not there.
// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static temporary_folder const folder;
  std::string_view left(reinterpret_cast<char const*>(data), size);
  for (char const* file : files) {
    auto const text = left.substr(0, left.find('\0'));
    left.remove_prefix(text.size() < left.size() ? text.size() + 1 : left.size());
    if (text.empty()) {
      fs::remove(folder.path() / file);
    } else {
      std::ofstream(folder.path() / file, std::ios::binary) << text;
    }
  }
  try {
    auto const result = yonder::kernels::read_sentence_folder(folder.path());
    if (result.pooling.empty() || !is_inside(result.encoder, folder.path())) __builtin_trap();
    if (result.truncated_width == 0) __builtin_trap();
  } catch (yonder::ml::model_error const&) {
  }
  return 0;
}
