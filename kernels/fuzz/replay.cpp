// SPDX-License-Identifier: Apache-2.0
//
// Runs a fuzz target over the files of its corpus, and over each of them cut short and with one bit turned,
// where there is no libFuzzer.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

// NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size);

namespace {

void run(std::string const& input) {
  LLVMFuzzerTestOneInput(reinterpret_cast<std::uint8_t const*>(input.data()), input.size());
}

void run_variants(std::string input) {
  run(input);
  std::size_t const step = 1 + input.size() / 500;
  for (std::size_t i = 0; i < input.size(); i += step) {
    run(input.substr(0, i));
    char const bit = static_cast<char>(1U << (i / step % 8));
    input[i] = static_cast<char>(input[i] ^ bit);
    run(input);
    input[i] = static_cast<char>(input[i] ^ bit);
  }
}

}  // namespace

int main(int count, char** arguments) {
  if (count != 2) return 2;
  std::size_t files = 0;
  for (auto const& entry : std::filesystem::directory_iterator(arguments[1])) {
    std::ifstream file(entry.path(), std::ios::binary);
    run_variants({std::istreambuf_iterator<char>(file), {}});
    ++files;
  }
  std::printf("%zu files\n", files);
  return files == 0 ? 1 : 0;
}
