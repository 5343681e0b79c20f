// SPDX-License-Identifier: Apache-2.0
//
// Time zone files that are hostile, and lines of a crontab. An input is: how long the line is (1 byte), the
// line, and the file. Whatever they are, reading throws nothing but what it says, and what was read is looked
// at without an end.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <initializer_list>
#include <optional>
#include <span>
#include <stdexcept>
#include <string_view>

#include "src/core/cron.hpp"
#include "src/runtime/time_zone_file.hpp"

namespace {

using namespace yonder;

void require(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

template <class Read>
auto tried(Read read) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (std::runtime_error const&) {
  } catch (std::invalid_argument const&) {
  }
  return std::nullopt;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  auto const length = std::min<std::size_t>(data[0], size - 1);
  std::string_view const line(reinterpret_cast<char const*>(data) + 1, length);
  auto const zone = tried(
      [&] { return runtime_detail::parse_tzif(std::as_bytes(std::span(data, size).subspan(1 + length))); });
  auto const times = tried([&] { return core::cron_times(line); });
  for (auto const at :
       std::initializer_list<core::utc_seconds>{-5'000'000'000, -1, 0, 1'800'000'000, 9'000'000'000}) {
    if (zone) {
      auto const offset = zone->offset_at(at);
      require(offset >= -26 * 3600 && offset <= 26 * 3600, "an offset is about a day at most");
      require(zone->next_transition(at) > at, "a transition is behind");
      (void)zone->first_at(at);
    }
    if (!times) continue;
    auto const next = times->next(at, zone.value_or(core::time_zone()));
    require(!next || *next > at, "the next time is later");
  }
  return 0;
}
