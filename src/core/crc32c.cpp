// SPDX-License-Identifier: Apache-2.0
#include "src/core/crc32c.hpp"

#include "src/core/little_endian.hpp"

#include <array>

#if defined(__x86_64__)
#include <nmmintrin.h>
#elif defined(__ARM_FEATURE_CRC32)
#include <arm_acle.h>
#endif

namespace yonder::core {
namespace {

// Eight tables, so that a word is eight look-ups (Intel's slicing-by-8; Kounavis and Berry 2005).
constexpr auto tables = [] {
  std::array<std::array<std::uint32_t, 256>, 8> made{};
  for (std::uint32_t byte = 0; byte < 256; ++byte) {
    auto crc = byte;
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78U : 0U);
    made[0][byte] = crc;
  }
  for (std::size_t slice = 1; slice < 8; ++slice) {
    for (std::size_t byte = 0; byte < 256; ++byte) {
      auto const crc = made[slice - 1][byte];
      made[slice][byte] = (crc >> 8) ^ made[0][crc & 0xff];
    }
  }
  return made;
}();

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) inline std::uint64_t step_sse42(std::uint64_t crc, std::byte const* at,
                                                                  std::size_t left) noexcept {
  for (; left >= 8; at += 8, left -= 8) crc = _mm_crc32_u64(crc, load_le<std::uint64_t>(at));
  auto tail = static_cast<std::uint32_t>(crc);
  if ((left & 4) != 0) {
    tail = _mm_crc32_u32(tail, load_le<std::uint32_t>(at));
    at += 4;
  }
  for (left &= 3; left != 0; ++at, --left) tail = _mm_crc32_u8(tail, static_cast<std::uint8_t>(*at));
  return tail;
}

__attribute__((target("sse4.2"))) std::uint32_t crc32c_sse42(std::span<std::byte const> bytes,
                                                             std::uint32_t before) noexcept {
  return ~static_cast<std::uint32_t>(step_sse42(std::uint32_t{~before}, bytes.data(), bytes.size()));
}

__attribute__((target("sse4.2"))) std::uint32_t frame_sse42(std::byte const* head, std::byte const* tail,
                                                            std::span<std::byte const> more) noexcept {
  auto crc = step_sse42(~std::uint32_t{0}, head, 56);
  crc = _mm_crc32_u64(crc, static_cast<std::uint64_t>(load_le<std::uint32_t>(tail)) << 32);
  return ~static_cast<std::uint32_t>(step_sse42(crc, more.data(), more.size()));
}
#elif defined(__ARM_FEATURE_CRC32)
std::uint32_t crc32c_arm(std::span<std::byte const> bytes, std::uint32_t before) noexcept {
  auto const* at = bytes.data();
  auto left = bytes.size();
  auto crc = ~before;
  for (; left >= 8; at += 8, left -= 8) crc = __crc32cd(crc, load_le<std::uint64_t>(at));
  for (; left != 0; ++at, --left) crc = __crc32cb(crc, static_cast<std::uint8_t>(*at));
  return ~crc;
}
#endif

}  // namespace

std::uint32_t crc32c_portable(std::span<std::byte const> bytes, std::uint32_t before) noexcept {
  auto const* at = bytes.data();
  auto left = bytes.size();
  auto crc = ~before;
  for (; left >= 8; at += 8, left -= 8) {
    auto const word = load_le<std::uint64_t>(at) ^ crc;
    crc = 0;
    for (std::size_t slice = 0; slice < 8; ++slice) crc ^= tables[7 - slice][(word >> (8 * slice)) & 0xff];
  }
  for (; left != 0; ++at, --left) crc = (crc >> 8) ^ tables[0][(crc ^ static_cast<std::uint8_t>(*at)) & 0xff];
  return ~crc;
}

#if defined(__x86_64__)
namespace {

bool has_instruction() noexcept {
  static bool const known = __builtin_cpu_supports("sse4.2") != 0;
  return known;
}

}  // namespace
#endif

std::uint32_t crc32c(std::span<std::byte const> bytes, std::uint32_t before) noexcept {
#if defined(__x86_64__)
  return has_instruction() ? crc32c_sse42(bytes, before) : crc32c_portable(bytes, before);
#elif defined(__ARM_FEATURE_CRC32)
  return crc32c_arm(bytes, before);
#else
  return crc32c_portable(bytes, before);
#endif
}

std::uint32_t crc32c_of_frame(std::span<std::byte const, 56> head, std::span<std::byte const, 4> tail,
                              std::span<std::byte const> more) noexcept {
#if defined(__x86_64__)
  if (has_instruction()) return frame_sse42(head.data(), tail.data(), more);
#endif
  constexpr std::array<std::byte, 4> zeros{};
  return crc32c(more, crc32c(tail, crc32c(zeros, crc32c(head))));
}

}  // namespace yonder::core
