// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/pauses.hpp"

#include <algorithm>

namespace yonder::transport {

namespace {

using std::chrono::milliseconds;

constexpr milliseconds first_pause{50};
constexpr milliseconds longest_pause{500};

// The finalizer of SplitMix64 (Steele, Lea, Flood 2014).
std::uint64_t mixed(std::uint64_t value) noexcept {
  value = (value ^ value >> 30U) * 0xbf58476d1ce4e5b9U;
  value = (value ^ value >> 27U) * 0x94d049bb133111ebU;
  return value ^ value >> 31U;
}

}  // namespace

milliseconds pause_before_connecting(int tries, std::uint64_t drawn) noexcept {
  if (tries <= 0) return {};
  auto const longest = std::min(first_pause * (1 << std::min(tries - 1, 8)), longest_pause);
  auto const half = static_cast<std::uint64_t>(longest.count() / 2);
  auto const part = mixed(drawn + static_cast<std::uint64_t>(tries) * 0x9e3779b97f4a7c15U) % (half + 1);
  return milliseconds(half + part);
}

}  // namespace yonder::transport
