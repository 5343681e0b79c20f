// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/detail/export.hpp"

// What callers tell their hub of maps that go on (map(…).progress()), and who asks for it: by calls of these
// names, as call_orders.hpp has it.
namespace yonder::core {

inline constexpr std::string_view tell_map = " map";    // a map_report -> nothing
inline constexpr std::string_view list_maps = " maps";  // nothing -> encode_maps()
constexpr bool is_map_order(std::string_view function) noexcept {
  return function == tell_map || function == list_maps;
}

// How far a map is. Levels: each report stands in place of the one before.
struct map_report {
  static constexpr std::size_t longest_task = 4096;

  std::uint64_t number = 0;              // among its caller's
  std::string task;                      // its name, of at most so many bytes
  std::uint64_t done = 0;                // elements whose outcomes were taken
  std::uint64_t failed = 0;              // of them
  std::optional<std::uint64_t> total{};  // elements; none: that is not known
  std::uint64_t running =
      0;                 // of those that are on their way, so much in millionths: 1'500'000 is one and a half
  duration elapsed = 0;  // since it began
  bool over = false;     // it goes on no more
};

struct map_census {
  map_report said;            // elapsed: as of now
  std::uint64_t session = 0;  // its caller's
  std::string credential;     // likewise
};

YONDER_API std::string encode_map(map_report const& report);
std::string encode_maps(std::vector<map_census> const& all);
// False: malformed.
bool decode_map(std::span<std::byte const> payload, map_report& report);
YONDER_API bool decode_maps(std::span<std::byte const> payload, std::vector<map_census>& all);

}  // namespace yonder::core
