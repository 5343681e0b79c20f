// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "src/core/types.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::detail {

// What a bar says.
struct bar_state {
  std::size_t done = 0;
  std::optional<std::size_t> total{};
  double running = 0;  // of what is on its way, so much of so many: 1.5 is one and a half
  core::duration elapsed = 0;
  bool over = false;
};
// A line of at most `width` columns:
//  42% [########............] 420/1000  35.2/s  16 s left
YONDER_API std::string bar_line(bar_state const& state, std::size_t width);

// A map's bar on the terminal that stderr is. Ends its line when it is destroyed. Used by one thread.
class progress_bar {
 public:
  static constexpr core::duration period =
      250 * core::millisecond;  // how often it is drawn while nothing ends

  // Null: stderr is no terminal that can draw it.
  static std::shared_ptr<progress_bar> on_terminal(std::size_t const* total);
  progress_bar(int terminal, std::optional<std::size_t> total);
  ~progress_bar();
  progress_bar(progress_bar const&) = delete;
  progress_bar& operator=(progress_bar const&) = delete;

  // One more is done.
  void add();
  // As much of those that are on their way.
  void show(double running);

 private:
  void draw(core::time_point now, char const* end);

  int terminal_;
  bar_state state_;
  core::time_point since_;
  core::time_point drawn_ = 0;
};

}  // namespace yonder::detail
