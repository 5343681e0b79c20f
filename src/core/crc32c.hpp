// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace yonder::core {

// The Castagnoli CRC (RFC 3720, appendix B.4) of `bytes`, continued from `before`.
std::uint32_t crc32c(std::span<std::byte const> bytes, std::uint32_t before = 0) noexcept;

// Of `head`, then four zero bytes, then `tail`, then `more`: a header whose checksum field counts as zero.
std::uint32_t crc32c_of_frame(std::span<std::byte const, 56> head, std::span<std::byte const, 4> tail,
                              std::span<std::byte const> more) noexcept;

// The same without the processor's instruction: what crc32c() falls back to.
std::uint32_t crc32c_portable(std::span<std::byte const> bytes, std::uint32_t before = 0) noexcept;

}  // namespace yonder::core
