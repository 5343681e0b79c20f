// SPDX-License-Identifier: Apache-2.0
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "src/runtime/recording.hpp"

// A file that is said to be a recording of an attempt: refused, or taken as what it would be written as
// again. NOLINTNEXTLINE(readability-identifier-naming): libFuzzer's name
extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  using namespace yonder::runtime_detail;
  std::string_view const text(reinterpret_cast<char const*>(data), size);
  recording made;
  if (decode_recording(text, made) && encode_recording(made) != text) __builtin_trap();
  if (made.arguments.size() + made.buffers.size() > size) __builtin_trap();
  return 0;
}
