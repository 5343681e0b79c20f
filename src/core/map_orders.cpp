// SPDX-License-Identifier: Apache-2.0
#include "src/core/map_orders.hpp"

#include "src/core/plain_fields.hpp"

namespace yonder::core {
namespace {

void put_map(std::string& text, map_report const& report) {
  put(text, report.number);
  put_text(text, std::string_view(report.task).substr(0, map_report::longest_task));
  put(text, report.done);
  put(text, report.failed);
  put(text, static_cast<std::uint8_t>(report.total ? 1 : 0));
  put(text, report.total.value_or(0));
  put(text, report.running);
  put_time(text, report.elapsed, false);
  put(text, static_cast<std::uint8_t>(report.over ? 1 : 0));
}

bool take_map(field_reader& from, map_report& report) {
  std::uint8_t has_total = 0, over = 0;
  std::uint64_t total = 0;
  if (!from.take(report.number) || !from.take_text(report.task) ||
      report.task.size() > map_report::longest_task ||
      !from.take(report.done, report.failed, has_total, total, report.running) ||
      !from.take_time(report.elapsed, 0) || !from.take(over))
    return false;
  if (has_total != 0) report.total = total;
  report.over = over != 0;
  return has_total < 2 && over < 2;
}

}  // namespace

std::string encode_map(map_report const& report) {
  std::string text;
  put_map(text, report);
  return text;
}

bool decode_map(std::span<std::byte const> payload, map_report& report) {
  field_reader from(payload);
  return take_map(from, report) && from.left() == 0;
}

std::string encode_maps(std::vector<map_census> const& all) {
  std::string text;
  for (auto const& one : all) {
    put_map(text, one.said);
    put(text, one.session);
    put_text(text, one.credential);
  }
  return text;
}

bool decode_maps(std::span<std::byte const> payload, std::vector<map_census>& all) {
  field_reader from(payload);
  while (from.left() != 0) {
    auto& one = all.emplace_back();
    if (!take_map(from, one.said) || !from.take(one.session) || !from.take_text(one.credential)) return false;
  }
  return true;
}

}  // namespace yonder::core
