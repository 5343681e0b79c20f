// SPDX-License-Identifier: Apache-2.0
#include "src/cli/schedules.hpp"

#include <time.h>

#include <array>
#include <iostream>
#include <span>
#include <sstream>
#include <stdexcept>
#include <utility>
#include <vector>

#include "src/cli/json_text.hpp"
#include "src/cli/output.hpp"
#include "src/cli/printable.hpp"
#include "src/core/schedule_record.hpp"

namespace yonder::cli {
namespace {

using all_schedules = std::vector<core::kept_schedule_row>;

// "2026-11-29T07:00:00Z" (RFC 3339)
std::string time_in_words(std::optional<std::int64_t> const& utc) {
  if (!utc) return {};
  auto const seconds = static_cast<time_t>(*utc / 1'000'000'000);
  tm parts{};
  ::gmtime_r(&seconds, &parts);
  std::array<char, 40> text{};
  return {text.data(), std::strftime(text.data(), text.size(), "%Y-%m-%dT%H:%M:%SZ", &parts)};
}

std::string schedules_in_json(all_schedules const& all) {
  std::ostringstream text;
  char const* before = "[";
  for (auto const& one : all) {
    auto const& row = one.row;
    text << std::exchange(before, ",\n ") << "{\"id\": " << row.id << ", \"name\": " << in_json(row.name)
         << ", \"task\": " << in_json(one.task) << ", \"when\": " << in_json(row.when)
         << ", \"paused\": " << (row.paused ? "true" : "false") << ", \"running\": " << row.running
         << ", \"runs\": " << row.runs << ", \"failed\": " << one.failed << ", \"skipped\": " << row.skipped
         << ", \"next\": " << (row.next ? in_json(time_in_words(row.next)) : "null")
         << ", \"last_error\": " << in_json(one.last_error) << ", \"credential\": " << in_json(one.identity)
         << "}";
  }
  return text.str() + (all.empty() ? "[]" : "]");
}

table table_of(all_schedules const& all) {
  table listed{{"ID", "NAME", "TASK", "WHEN", "NEXT", "RUNNING", "RUNS", "FAILED", "SKIPPED", "LAST_ERROR"}};
  for (auto const& one : all) {
    auto const& row = one.row;
    listed.add({std::to_string(row.id), printable(row.name), printable(one.task), printable(row.when),
                row.paused ? "paused" : time_in_words(row.next), std::to_string(row.running),
                std::to_string(row.runs), std::to_string(one.failed), std::to_string(row.skipped),
                printable(one.last_error)});
  }
  return listed;
}

}  // namespace

int list_schedules(hub_choice const& hub, bool json) {
  auto const said = answer_of_hub(hub, core::list_schedules, {});
  all_schedules all;
  if (!core::decode_schedules(std::as_bytes(std::span(said)), all))
    throw std::runtime_error("what the hub says does not decode; is it of another version?");
  std::cout << (json ? schedules_in_json(all) + "\n" : table_of(all).text());
  flush_output();
  return EXIT_SUCCESS;
}

int change_schedule(hub_choice const& hub, std::string const& what, std::uint64_t id) {
  auto const change = what == "pause"    ? core::schedule_change::pause
                      : what == "resume" ? core::schedule_change::resume
                      : what == "fire"   ? core::schedule_change::fire
                                         : core::schedule_change::stop;
  if (!answer_of_hub(hub, core::tell_schedule, core::encode_change(id, change)).empty()) return EXIT_SUCCESS;
  std::cerr << "yonder: the hub keeps no schedule " << id << " that these keys may change\n";
  return exit_not_found;
}

}  // namespace yonder::cli
