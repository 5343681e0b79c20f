// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/greeting.hpp"

#include <algorithm>

#include "src/core/little_endian.hpp"

namespace yonder::transport {

namespace {

constexpr std::array<std::byte, 5> beginning{std::byte{'Y'}, std::byte{'N'}, std::byte{'D'}, std::byte{'S'},
                                             std::byte{1}};
constexpr std::size_t what_at = 5, zero_at = 6, start_at = 8, session_at = 12;

}  // namespace

std::array<std::byte, greeting::size> greeting::bytes() const noexcept {
  std::array<std::byte, size> said{};
  std::copy(beginning.begin(), beginning.end(), said.begin());
  said[what_at] = static_cast<std::byte>(what);
  core::store_le(said.data() + start_at, start);
  core::store_le(said.data() + session_at, session);
  return said;
}

bool greeting::read(std::span<std::byte const> bytes, greeting& read) noexcept {
  if (bytes.size() != size || !std::equal(beginning.begin(), beginning.end(), bytes.begin())) return false;
  auto const stated = static_cast<std::uint8_t>(bytes[what_at]);
  if (stated < 1 || stated > 4 || bytes[zero_at] != std::byte{0} || bytes[zero_at + 1] != std::byte{0})
    return false;
  read.what = static_cast<kind>(stated);
  read.start = core::load_le<std::uint32_t>(bytes.data() + start_at);
  read.session = core::load_le<std::uint64_t>(bytes.data() + session_at);
  return true;
}

}  // namespace yonder::transport
