// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/idempotency.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/core/items.hpp"
#include "src/core/types.hpp"

#include <cstddef>
#include <list>
#include <map>
#include <set>
#include <string>
#include <string_view>

// The outcomes of durable calls, which the journal has too, until their owner says that he has them or their
// time is over. The last of them are in memory; of the others only what they are is.
namespace yonder::core {

struct kept_tag {};
struct owner_tag {};
struct kept_result;

// An outcome in memory; or those of several calls with consecutive numbers, in one frame.
struct kept_body {
  frame_ref outcome;
  header head;          // of it: whoever sends it changes that
  packed_items packed;  // of it
  call_id id;           // of the first one
  std::uint32_t left = 0;
  std::list<kept_body>::iterator place;
};

// A credential, and what is kept for it.
struct kept_owner {
  std::string identity;
  std::size_t calls = 0;
  intrusive_list<kept_result, owner_tag> results;
};

// Calls with consecutive numbers whose outcomes one record of the journal has.
struct kept_result : list_hook<kept_tag>, list_hook<owner_tag> {
  call_id id;  // of the first one
  std::uint32_t count = 1;
  bool failed = false;
  std::uint32_t attempt = 0;  // that it is of
  kept_owner* owner = nullptr;
  std::string const* function = nullptr;
  kept_body* body = nullptr;  // null: only the journal has it
  time_point until = never;
  key_record* key = nullptr;  // of one call, whose outcome is that of the key until then; null: of none

  std::string const& identity() const noexcept { return owner->identity; }
};

class kept_results {
 public:
  static constexpr std::size_t bytes_each = sizeof(kept_result) + 64;  // that one takes, without its body

  // `outcome`: of all of them, and of nobody else. Memory has it as long as all of those together take
  // `most` bytes at most.
  kept_result& add(call_id id, std::uint32_t count, std::string_view identity, std::string_view function,
                   frame_ref outcome, time_point until, std::size_t most);
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
  // Without bodies, and of those that are in memory.
  std::size_t bytes() const noexcept { return by_id_.size() * bytes_each; }
  std::size_t body_bytes() const noexcept { return body_bytes_; }
  bool empty() const noexcept { return by_id_.empty(); }
  // Calls see(owner) for each who has some.
  template <class See>
  void each_owner(See&& see) const {
    for (auto const& [identity, owner] : owners_) see(owner);
  }

 private:
  kept_result& split(kept_result& one, std::uint32_t at);
  void let_go(kept_body& body);
  void give_room(std::size_t most);

  std::map<call_id, kept_result> by_id_;
  std::map<std::string, kept_owner, std::less<>> owners_;
  std::set<std::string, std::less<>> functions_;  // for good: there are as many as tasks
  std::list<kept_body> bodies_;                   // the first to have come first
  mutable intrusive_list<kept_result, kept_tag> by_time_;
  std::size_t calls_ = 0;
  std::size_t body_bytes_ = 0;
};

// The frame that tells the outcomes of so many calls from `first` on, which are among those of the body.
frame_ref outcome_of(kept_body const& body, call_id first, std::uint32_t count, header& head);

}  // namespace yonder::core
