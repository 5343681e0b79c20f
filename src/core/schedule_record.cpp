// SPDX-License-Identifier: Apache-2.0
#include "src/core/schedule_record.hpp"

#include "src/core/plain_fields.hpp"

#include <algorithm>
#include <stdexcept>

namespace yonder::core {
namespace {

constexpr std::size_t most_transitions = 4096;
constexpr std::size_t most_told = 1024;  // bytes of an error

std::span<std::byte const> bytes_of(std::string_view text) { return std::as_bytes(std::span(text)); }

void put_zone(std::string& text, time_zone const& zone) {
  put(text, zone.first_offset());
  put(text, static_cast<std::uint32_t>(zone.transitions().size()));
  for (auto const& one : zone.transitions()) {
    put(text, one.at);
    put(text, one.offset);
  }
}

bool take_zone(field_reader& from, time_zone& zone) {
  std::int32_t first = 0;
  std::uint32_t count = 0;
  if (!from.take(first, count) || count > most_transitions) return false;
  std::vector<time_zone::transition> all(count);
  for (auto& one : all)
    if (!from.take(one.at, one.offset)) return false;
  auto const sorted =
      std::is_sorted(all.begin(), all.end(), [](auto const& a, auto const& b) { return a.at < b.at; });
  // No place is further than a day from UTC.
  auto const is_offset = [](std::int32_t offset) { return offset > -86'400 && offset < 86'400; };
  auto const near = std::all_of(all.begin(), all.end(), [&](auto const& one) {
    return is_offset(one.offset) && one.at > -(std::int64_t{1} << 40) && one.at < std::int64_t{1} << 40;
  });
  if (!sorted || !near || !is_offset(first)) return false;
  zone = time_zone(first, std::move(all));
  return true;
}

bool is_duration(std::int64_t time) { return time >= 0 && time <= longest_period; }

}  // namespace

std::string encode_terms(schedule_terms const& terms) {
  std::string text;
  put_text(text, terms.name);
  put_text(text, terms.when);
  put(text, terms.period);
  put_text(text, terms.line);
  put(text, static_cast<std::uint8_t>(terms.overlap));
  put(text, static_cast<std::uint8_t>(terms.missed));
  put(text, terms.jitter);
  put(text, terms.deadline);
  put_zone(text, terms.zone);
  return text;
}

bool decode_terms(std::string_view said, schedule_terms& terms) {
  field_reader from(bytes_of(said));
  std::uint8_t overlap = 0, missed = 0;
  if (!from.take_text(terms.name) || !from.take_text(terms.when) || !from.take(terms.period) ||
      !from.take_text(terms.line) || !from.take(overlap, missed, terms.jitter, terms.deadline) ||
      !take_zone(from, terms.zone) || from.left() != 0)
    return false;
  if (overlap > static_cast<std::uint8_t>(overlap_policy::allow) ||
      missed > static_cast<std::uint8_t>(missed_policy::all) || !is_duration(terms.jitter) ||
      !is_duration(terms.period) || terms.deadline < 0)
    return false;
  terms.overlap = static_cast<overlap_policy>(overlap);
  terms.missed = static_cast<missed_policy>(missed);
  return !terms.name.empty() && terms.line.empty() == (terms.period >= shortest_period);
}

schedule_spec spec_of(schedule_terms&& terms) {
  schedule_spec spec{.name = std::move(terms.name),
                     .when = std::move(terms.when),
                     .times = terms.period,
                     .zone = std::move(terms.zone),
                     .overlap = terms.overlap,
                     .jitter = terms.jitter,
                     .missed = terms.missed};
  if (!terms.line.empty()) spec.times = cron_times(terms.line);
  return spec;
}

// Rules of a zone may be known better, and its name is in `when`.
bool same_times(schedule_terms const& a, schedule_terms const& b) {
  return a.period == b.period && a.line == b.line && a.when == b.when;
}

std::string encode_progress(schedule_progress const& progress) {
  std::string text;
  auto const& state = progress.state;
  put(text, progress.version);
  put(text, static_cast<std::uint8_t>(state.paused ? 1 : 0));
  for (auto const number : {state.runs, state.skipped, state.owed}) put(text, number);
  for (auto const time : {state.due, state.late, state.said}) put(text, time);
  for (auto const number : {progress.last_run, progress.kept_run, progress.failed}) put(text, number);
  put_text(text, std::string_view(progress.last_error).substr(0, most_told));
  for (auto const run : progress.running) put(text, run);
  return text;
}

bool decode_progress(std::string_view said, schedule_progress& progress) {
  field_reader from(bytes_of(said));
  auto& state = progress.state;
  std::uint8_t paused = 0;
  if (!from.take(progress.version, paused, state.runs, state.skipped, state.owed, state.due, state.late,
                 state.said, progress.last_run, progress.kept_run, progress.failed) ||
      !from.take_text(progress.last_error) || from.left() % sizeof(std::uint64_t) != 0)
    return false;
  state.paused = paused != 0;
  progress.running.resize(from.left() / sizeof(std::uint64_t));
  for (auto& run : progress.running) from.take(run);
  return true;
}

std::string encode_change(std::uint64_t id, schedule_change change) {
  std::string text;
  put(text, id);
  put(text, static_cast<std::uint8_t>(change));
  return text;
}

bool decode_change(std::span<std::byte const> payload, std::uint64_t& id, schedule_change& change) {
  field_reader from(payload);
  std::uint8_t number = 0;
  if (!from.take(id, number) || from.left() != 0 || number > static_cast<std::uint8_t>(schedule_change::stop))
    return false;
  change = static_cast<schedule_change>(number);
  return true;
}

std::string encode_schedules(std::vector<kept_schedule_row> const& rows) {
  std::string text;
  for (auto const& one : rows) {
    auto const& row = one.row;
    put(text, row.id);
    for (auto const* const name : {&row.name, &row.when, &one.task, &one.identity, &one.last_error})
      put_text(text, *name);
    put(text, static_cast<std::uint8_t>(row.paused ? 1 : 0));
    put(text, std::uint32_t{row.running});
    for (auto const number : {row.runs, row.skipped, one.failed}) put(text, number);
    put(text, row.next.value_or(never));
  }
  return text;
}

bool decode_schedules(std::span<std::byte const> payload, std::vector<kept_schedule_row>& rows) {
  field_reader from(payload);
  while (from.left() != 0) {
    auto& one = rows.emplace_back();
    auto& row = one.row;
    std::uint8_t paused = 0;
    std::uint32_t running = 0;
    std::int64_t next = 0;
    if (!from.take(row.id) || !from.take_text(row.name) || !from.take_text(row.when) ||
        !from.take_text(one.task) || !from.take_text(one.identity) || !from.take_text(one.last_error) ||
        !from.take(paused, running, row.runs, row.skipped, one.failed, next))
      return false;
    row.paused = paused != 0;
    row.running = running;
    if (next != never) row.next = next;
  }
  return true;
}

}  // namespace yonder::core
