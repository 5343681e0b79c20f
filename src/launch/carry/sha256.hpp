// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace yonder::launch {

// SHA-256 (FIPS 180-4), by which files are named that travel.
class sha256 {
 public:
  void update(std::string_view bytes);
  // Of all that was said: 64 small hexadecimal digits. Called once.
  std::string hex();

 private:
  void block(unsigned char const* bytes);

  std::array<std::uint32_t, 8> state_{0x6a09e667U, 0xbb67ae85U, 0x3c6ef372U, 0xa54ff53aU,
                                      0x510e527fU, 0x9b05688cU, 0x1f83d9abU, 0x5be0cd19U};
  std::array<unsigned char, 64> kept_{};
  std::uint64_t size_ = 0;  // bytes, so far
};

std::string sha256_of(std::string_view bytes);

}  // namespace yonder::launch
