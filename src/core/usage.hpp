// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include "src/core/types.hpp"

namespace yonder::core {

// For how long workers ran a task for somebody on one day.
struct usage_row {
  std::uint32_t day = 0;  // since 1970-01-01, by whoever drives the hub
  std::string task;
  std::string credential;  // whose calls; empty: the hub's own program's
  std::string key;         // their fairness key; may be empty
  std::uint64_t attempts = 0;
  std::uint64_t worker_microseconds = 0;
  std::uint64_t gpu_microseconds = 0;  // the same times the GPUs that those workers had
};

// Bounded: past a number of rows the oldest days go, and within one day the rest has no names.
class usage_tally {
 public:
  static constexpr std::size_t most_rows = 20'000;

  void begin_day(std::uint32_t day) noexcept {
    if (day > day_) day_ = day;
  }
  void count(std::string_view task, std::string_view credential, std::string_view key, std::uint64_t attempts,
             duration ran, std::uint64_t gpus);
  std::vector<usage_row> rows() const;  // by day, task, credential and key

 private:
  struct numbers {
    std::uint64_t attempts = 0, worker = 0, gpu = 0;
  };
  using place = std::tuple<std::uint32_t, std::string, std::string, std::string>;
  using row = std::map<place, numbers>::value_type;
  row& find(std::string_view task, std::string_view credential, std::string_view key);

  std::uint32_t day_ = 0;
  std::map<place, numbers> all_;
  row* recent_ = nullptr;  // nearly always the one that is asked for next
};

// As the payload of a result holds them; false: malformed.
std::string encode_usage(std::span<usage_row const> rows);
bool decode_usage(std::span<std::byte const> payload, std::vector<usage_row>& rows);

}  // namespace yonder::core
