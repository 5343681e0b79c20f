// SPDX-License-Identifier: Apache-2.0
#include "src/core/usage.hpp"

#include "src/core/plain_fields.hpp"

#include <cstring>

namespace yonder::core {
namespace {

// Without a call where one is empty, as most keys are: this is asked for each attempt.
bool is_same(std::string_view a, std::string_view b) noexcept {
  return a.size() == b.size() && (a.empty() || std::memcmp(a.data(), b.data(), a.size()) == 0);
}

}  // namespace

usage_tally::row& usage_tally::find(std::string_view task, std::string_view credential,
                                    std::string_view key) {
  place wanted(day_, task, credential, key);
  auto found = all_.find(wanted);
  if (found == all_.end()) {
    recent_ = nullptr;
    while (all_.size() >= most_rows && std::get<0>(all_.begin()->first) != day_) all_.erase(all_.begin());
    if (all_.size() >= most_rows) wanted = place(day_, "", "", "");
    found = all_.try_emplace(std::move(wanted)).first;
  }
  recent_ = &*found;
  return *recent_;
}

void usage_tally::count(std::string_view task, std::string_view credential, std::string_view key,
                        std::uint64_t attempts, duration ran, std::uint64_t gpus) {
  auto const is_recent = [&] {
    auto const& [day, its_task, its_credential, its_key] = recent_->first;
    return day == day_ && is_same(its_task, task) && is_same(its_credential, credential) &&
           is_same(its_key, key);
  };
  auto& its = (recent_ != nullptr && is_recent() ? *recent_ : find(task, credential, key)).second;
  auto const microseconds = static_cast<std::uint64_t>(std::max<duration>(ran, 0) / microsecond);
  its.attempts += attempts;
  its.worker += microseconds;
  its.gpu += microseconds * gpus;
}

std::vector<usage_row> usage_tally::rows() const {
  std::vector<usage_row> made;
  for (auto const& [where, its] : all_)
    made.push_back({std::get<0>(where), std::get<1>(where), std::get<2>(where), std::get<3>(where),
                    its.attempts, its.worker, its.gpu});
  return made;
}

std::string encode_usage(std::span<usage_row const> rows) {
  std::string text;
  put(text, static_cast<std::uint32_t>(rows.size()));
  for (auto const& one : rows) {
    put(text, one.day);
    for (auto const* const name : {&one.task, &one.credential, &one.key}) put_text(text, *name);
    for (auto const number : {one.attempts, one.worker_microseconds, one.gpu_microseconds}) put(text, number);
  }
  return text;
}

bool decode_usage(std::span<std::byte const> payload, std::vector<usage_row>& rows) {
  field_reader from(payload);
  std::uint32_t count = 0;
  if (!from.take(count)) return false;
  for (std::uint32_t i = 0; i < count; ++i) {
    auto& one = rows.emplace_back();
    if (!from.take(one.day) || !from.take_text(one.task) || !from.take_text(one.credential) ||
        !from.take_text(one.key) || !from.take(one.attempts, one.worker_microseconds, one.gpu_microseconds))
      return false;
  }
  return from.left() == 0;
}

}  // namespace yonder::core
