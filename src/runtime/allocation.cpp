// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/allocation.hpp"

#include <time.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <cstdlib>
#include <string_view>

#include "src/core/hub.hpp"
#include "src/platform/process.hpp"
#include "transports/setup_error.hpp"

namespace yonder::runtime_detail {
namespace {

std::atomic<std::int64_t> known_end{core::never};
std::atomic<std::int64_t> margin{0};

std::optional<std::int64_t> seconds_in(std::string_view text) {
  std::int64_t seconds = 0;
  auto const* const end = text.data() + text.size();
  auto const read = std::from_chars(text.data(), end, seconds);
  constexpr std::int64_t most = std::int64_t{1} << 33;  // the year 2242
  if (text.empty() || read.ec != std::errc() || read.ptr != end || seconds < 0 || seconds > most)
    return std::nullopt;
  return seconds;
}

std::string_view variable(char const* name) {
  char const* const value = std::getenv(name);
  return value == nullptr ? std::string_view() : value;
}

}  // namespace

std::optional<std::int64_t> allocation_end() {
  if (auto const said = variable("YONDER_END_TIME"); !said.empty()) {
    if (auto const seconds = seconds_in(said)) return seconds;
    throw transport::setup_error(
        errc::bad_configuration,
        "YONDER_END_TIME is '" + std::string(said) +
            "'; it takes the seconds since 1970 at which this worker is ended, as `date +%s "
            "-d '+1 hour'` prints them");
  }
  return seconds_in(variable("SLURM_JOB_END_TIME"));
}

std::int64_t monotonic_allocation_end() {
  auto const end = allocation_end();
  if (!end) return core::never;
  timespec today{};
  ::clock_gettime(CLOCK_REALTIME, &today);
  auto const left = (*end - today.tv_sec) * core::second - today.tv_nsec;
  auto const ends_at = platform::now() + left;
  if (known_end.load() == core::never) {
    margin = std::min(core::hub_config{}.end_margin, left / 8);
    known_end = ends_at;
  }
  return ends_at;
}

bool is_used_up() noexcept {
  auto const end = known_end.load();
  return end != core::never && end - platform::now() <= margin.load();
}

}  // namespace yonder::runtime_detail
