// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/call_state.hpp"
#include "yonder/detail/export.hpp"

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yonder::detail {

// What a hub answers to an order (core/pool_orders.hpp, core/call_orders.hpp). Throws what
// runtime::pools() does.
YONDER_API std::string ask_hub(engine& where, std::string_view order, std::string const& payload);

// Names and values.
using named_texts = std::vector<std::pair<std::string, std::string>>;
// What the hub knows of a call: where it is, and why. Empty: it has ended. Throws what runtime::pools() does.
YONDER_API named_texts explained_call(engine& where, id_pair call);
// Its workers, what they run and which GPUs they have. Throws what runtime::pools() does.
YONDER_API std::vector<named_texts> workers_of(engine& where);

// What a call has printed behind entry number `after`. Throws what runtime::pools() does.
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
YONDER_API printed_page printed_by(engine& where, id_pair call, std::uint64_t after);

// Whether the hub is within this process.
YONDER_API bool has_own_hub(engine const& where) noexcept;

}  // namespace yonder::detail
