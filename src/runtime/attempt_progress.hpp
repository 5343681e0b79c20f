// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <mutex>
#include <optional>
#include <span>
#include <string_view>

#include "src/core/types.hpp"

namespace yonder::runtime_detail {

// What the task of an attempt says of how far it is, until whoever reads the worker's connection passes the
// latest on: the task's own thread sends nothing. An attempt that ends soon has said nothing.
class attempt_progress {
 public:
  static constexpr core::duration first_after = 20 * core::millisecond;
  static constexpr core::duration then_every = 250 * core::millisecond;

  // --- The task's thread.
  // `items`: where the attempt is several that run as one. `fraction` is from 0 to 1; others count as the
  // nearest, and what is no number as 0. Of a long text the beginning is kept. True: due() is earlier than it
  // was.
  bool report(core::attempt_key const& key, std::span<core::out::run::item const> items, double fraction,
              std::string_view text);
  // The attempt has ended.
  void end() noexcept {
    if (used_) forget();
  }

  // --- Whoever reads the connection.
  [[nodiscard]] core::time_point due() const noexcept { return due_.load(std::memory_order_relaxed); }
  struct latest {
    core::attempt_key key;
    std::span<core::out::run::item const> items;  // valid as long as the attempt runs
    core::progress_report report;
  };
  // What was said since it was taken last.
  std::optional<latest> take(core::time_point now);

 private:
  void forget() noexcept;

  bool used_ = false;  // of the task's thread
  std::atomic<core::time_point> due_{core::never};
  std::mutex mutex_;
  core::time_point not_before_ = 0;
  latest latest_{};
};

}  // namespace yonder::runtime_detail
