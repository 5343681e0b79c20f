// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/idempotency.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/core/items.hpp"
#include "src/core/types.hpp"

#include <cstddef>
#include <map>
#include <string>
#include <utility>

// The outcomes of durable calls, which the journal has too, until their owner says that he has them or their
// time is over.
namespace yonder::core {

struct kept_tag {};

// The outcome of one call; or those of several with consecutive numbers, in one frame.
struct kept_result : list_hook<kept_tag> {
  call_id id;  // of the first one
  std::uint32_t count = 1;
  std::string identity;  // whose it is
  std::string function;
  frame_ref outcome;
  header head;          // of it: whoever sends it changes that
  packed_items packed;  // of it
  items_range range;    // which of them these are
  time_point until = never;
  key_record* key = nullptr;  // of one call, whose outcome is that of the key until then; null: of none

  std::size_t bytes() const { return count == packed.count ? size_of(*outcome) : range.bytes + header_size; }
};

class kept_results {
 public:
  // `outcome`: of all of them, and of nobody else.
  kept_result& add(call_id id, std::uint32_t count, std::string identity, std::string function,
                   frame_ref outcome, time_point until);
  // That this call's is among; null: it is not kept.
  kept_result* find(call_id id);
  // Whether that of one of so many calls is.
  bool has_any(call_id first, std::uint32_t count) const;
  // Those of exactly these calls, which are among them.
  kept_result& isolate(kept_result& one, std::uint64_t number, std::uint32_t count);
  void remove(kept_result& one);

  // Whose time is over; null: nobody's.
  kept_result* expired(time_point now);
  time_point next_due() const;

  std::size_t size() const noexcept { return calls_; }  // calls
  std::size_t bytes() const noexcept { return bytes_; }
  bool empty() const noexcept { return by_id_.empty(); }
  // Calls see(result) for each, those whose time ends first first.
  template <class See>
  void each(See&& see) {
    for (auto* one = by_time_.first(); one != nullptr; one = by_time_.after(*one)) see(*one);
  }

 private:
  kept_result& split(kept_result& one, std::uint32_t at);

  std::map<call_id, kept_result> by_id_;
  mutable intrusive_list<kept_result, kept_tag> by_time_;
  std::size_t calls_ = 0;
  std::size_t bytes_ = 0;
};

// The frame that tells it, and under which header.
std::pair<header, frame_ref> outcome_of(kept_result const& kept);

}  // namespace yonder::core
