// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "src/core/types.hpp"
#include "src/runtime/progress_bar.hpp"
#include "yonder/detail/call_state.hpp"

namespace yonder::detail {

// What a map that shows itself says: as a bar on the terminal that stderr is, and to its hub, once in a
// second, for whoever looks there (yonder ps, the page). One that is over within a second tells no hub. Used
// by one thread.
class shown_map {
 public:
  // `total`: null: that is not known.
  explicit shown_map(std::size_t const* total);
  ~shown_map();
  shown_map(shown_map const&) = delete;
  shown_map& operator=(shown_map const&) = delete;

  // The outcome of one more was taken. Whether the hub is to be told: by show().
  bool add(call_state const& call);
  // As much of those that are on their way; `call` is one of the map's.
  void show(call_state const& call, double running);
  // How often show() is to be called while nothing ends.
  core::duration period() const noexcept;

 private:
  bool is_due(core::time_point now) const noexcept;
  void begin_to_tell(std::string const& report);

  std::shared_ptr<progress_bar> bar_;  // null: there is no terminal
  std::optional<std::uint64_t> total_;
  core::time_point since_, told_at_;
  std::uint64_t number_;
  std::uint64_t done_ = 0, failed_ = 0;
  engine_ref hub_{};    // that of the calls, once it was told
  call_ref told_{};     // in what it was last
  std::string task_{};  // likewise
};

}  // namespace yonder::detail
