// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace yonder::cli {

// A stranger's words for a terminal: the first `most` bytes, and as \xHH what is not visible ASCII or a
// space.
inline std::string printable(std::string_view text, std::size_t most = 200) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  std::string made;
  for (char const one : text.substr(0, most)) {
    auto const code = static_cast<unsigned char>(one);
    if (code >= 0x20 && code < 0x7F)
      made += one;
    else
      made += {'\\', 'x', digits[code >> 4U], digits[code & 15U]};
  }
  return made;
}

}  // namespace yonder::cli
