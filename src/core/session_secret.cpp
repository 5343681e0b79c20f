// SPDX-License-Identifier: Apache-2.0
#include "src/core/session_secret.hpp"

#include <algorithm>
#include <bit>
#include <cstddef>

namespace yonder::core {
namespace {

// The fractional parts of the cube roots of the first 64 primes.
constexpr std::array<std::uint32_t, 64> round_constants{
    0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
    0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
    0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
    0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
    0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
    0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
    0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
    0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2};

}  // namespace

void sha256_state::add_block(block const& taken) noexcept {
  std::array<std::uint32_t, 64> schedule{};
  for (std::size_t i = 0; i < 16; ++i)
    for (std::size_t j = 0; j < 4; ++j) schedule[i] = schedule[i] << 8 | taken[4 * i + j];
  for (std::size_t i = 16; i < 64; ++i) {
    auto const low = std::rotr(schedule[i - 15], 7) ^ std::rotr(schedule[i - 15], 18) ^ schedule[i - 15] >> 3;
    auto const high = std::rotr(schedule[i - 2], 17) ^ std::rotr(schedule[i - 2], 19) ^ schedule[i - 2] >> 10;
    schedule[i] = schedule[i - 16] + low + schedule[i - 7] + high;
  }
  auto [a, b, c, d, e, f, g, h] = words_;
  for (std::size_t i = 0; i < 64; ++i) {
    auto const mixed = h + (std::rotr(e, 6) ^ std::rotr(e, 11) ^ std::rotr(e, 25)) + ((e & f) ^ (~e & g)) +
                       round_constants[i] + schedule[i];
    auto const chosen =
        (std::rotr(a, 2) ^ std::rotr(a, 13) ^ std::rotr(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
    h = g;
    g = f;
    f = e;
    e = d + mixed;
    d = c;
    c = b;
    b = a;
    a = mixed + chosen;
  }
  std::array const sums{a, b, c, d, e, f, g, h};
  for (std::size_t i = 0; i < 8; ++i) words_[i] += sums[i];
}

void sha256_state::add(std::span<std::uint8_t const> piece) noexcept {
  size_ += piece.size();
  while (!piece.empty()) {
    auto const count = std::min(piece.size(), taken_.size() - taken_size_);
    std::copy_n(piece.begin(), count, taken_.begin() + static_cast<std::ptrdiff_t>(taken_size_));
    piece = piece.subspan(count);
    if ((taken_size_ += count) < taken_.size()) return;
    add_block(taken_);
    taken_size_ = 0;
  }
}

std::array<std::uint8_t, 32> sha256_state::digest() noexcept {
  auto const bits = size_ * 8;
  std::fill(taken_.begin() + static_cast<std::ptrdiff_t>(taken_size_), taken_.end(), std::uint8_t{0});
  taken_[taken_size_] = 0x80;
  if (taken_size_ >= 56) {
    add_block(taken_);
    taken_.fill(0);
  }
  for (std::size_t i = 0; i < 8; ++i) taken_[63 - i] = static_cast<std::uint8_t>(bits >> (8 * i));
  add_block(taken_);
  std::array<std::uint8_t, 32> made{};
  for (std::size_t i = 0; i < made.size(); ++i)
    made[i] = static_cast<std::uint8_t>(words_[i / 4] >> (24 - 8 * (i % 4)));
  return made;
}

std::array<std::uint8_t, 32> sha256(std::span<std::uint8_t const> message) noexcept {
  sha256_state hash;
  hash.add(message);
  return hash.digest();
}

std::uint64_t session_of(session_secret const& secret) noexcept {
  std::array<std::uint8_t, 16> bytes{};
  for (std::size_t i = 0; i < bytes.size(); ++i)
    bytes[i] = static_cast<std::uint8_t>(secret[i / 8] >> (8 * (i % 8)));
  auto const digest = sha256(bytes);
  std::uint64_t id = 0;
  for (std::size_t i = 0; i < 8; ++i) id |= std::uint64_t{digest[i]} << (8 * i);
  return std::max<std::uint64_t>(id, 1);
}

}  // namespace yonder::core
