// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/call_state.hpp"
#include "yonder/detail/export.hpp"

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yonder/runtime.hpp"
#include "yonder/schedule.hpp"

namespace yonder::detail {

// What a hub answers to an order (core/pool_orders.hpp, core/call_orders.hpp). Throws what
// runtime::pools() does.
YONDER_API std::string ask_hub(engine& where, std::string_view order, std::string const& payload);

// The same without waiting: a call, whose reply has the answer when it has ended well.
YONDER_API call_ref begin_order(engine_ref const& where, std::string_view order, std::string const& payload);

// Questions to a hub, its own or one elsewhere, for those who do not wait: a call that the hub answers
// itself. What it has answered, when that call has ended well, is read by the function beside, which throws
// usage_error (undecodable) where it cannot be.

// Names and values.
using named_texts = std::vector<std::pair<std::string, std::string>>;
// What it knows of a call: where that is, and why. Empty: it has ended.
YONDER_API call_ref ask_to_explain(engine_ref const& where, id_pair call);
YONDER_API named_texts explained_in(reply const& answer);
// Its workers, what they run and which GPUs they have; for its operators.
YONDER_API call_ref ask_for_workers(engine_ref const& where);
YONDER_API std::vector<named_texts> workers_in(reply const& answer);
// Its pools, and why their workers do not come; for its operators.
YONDER_API call_ref ask_for_pools(engine_ref const& where);
YONDER_API std::vector<pool_snapshot> pools_in(reply const& answer);
// For how long workers ran what for whom; for its operators.
YONDER_API call_ref ask_for_usage(engine_ref const& where);
YONDER_API std::vector<usage_snapshot> usage_in(reply const& answer);
// The schedules that it keeps, and a change of one of them: false, there is none that whoever asks may
// change.
YONDER_API call_ref ask_for_schedules(engine_ref const& where);
YONDER_API std::vector<schedule_snapshot> schedules_in(reply const& answer);
YONDER_API call_ref ask_to_change(engine_ref const& where, std::uint64_t schedule, schedule_change change);
YONDER_API bool has_changed(reply const& answer);

// A map that goes on (map(…).progress()), as its caller has said last.
struct map_seen {
  std::string id;    // tells it from others
  std::string task;  // its name
  std::uint64_t done = 0, failed = 0;
  std::optional<std::uint64_t> total{};  // none: that is not known
  double running = 0;                    // of those on their way, so much: 1.5 is one and a half
  std::chrono::nanoseconds elapsed{};
  std::string credential;

  // 0 to 1; none: that is not known.
  YONDER_API std::optional<double> fraction() const;
  YONDER_API std::optional<std::chrono::nanoseconds> left() const;
};
YONDER_API call_ref ask_for_maps(engine_ref const& where);
YONDER_API std::vector<map_seen> maps_in(reply const& answer);
// Waits for it. Throws as ask_hub().
YONDER_API std::vector<map_seen> maps_of(engine_ref const& where);

// What a call has printed behind entry number `after`.
struct printed_page {
  struct entry {
    std::uint64_t at = 0;  // how much it had printed before, also what is lost
    std::string worker;
    std::string text;
  };
  bool ended = false;
  bool more = false;  // there is, by now
  std::uint64_t next = 0;
  std::vector<entry> printed;
};
YONDER_API call_ref ask_for_printed(engine_ref const& where, id_pair call, std::uint64_t after);
YONDER_API printed_page printed_in(reply const& answer);

// Whether the hub is within this process.
YONDER_API bool has_own_hub(engine const& where) noexcept;

}  // namespace yonder::detail
