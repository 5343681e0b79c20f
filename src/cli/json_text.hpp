// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <string_view>

namespace yonder::cli {

// A text as a JSON string, quotes included. Precondition: UTF-8.
inline std::string in_json(std::string_view text) {
  constexpr std::string_view digits = "0123456789abcdef";
  std::string made = "\"";
  for (char const one : text) {
    auto const code = static_cast<unsigned char>(one);
    if (one == '"' || one == '\\')
      made += {'\\', one};
    else if (code < 0x20)
      made += {'\\', 'u', '0', '0', digits[code >> 4U], digits[code & 15U]};
    else
      made += one;
  }
  return made + "\"";
}

}  // namespace yonder::cli
