// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/streams.hpp"

#include <cstdint>
#include <deque>
#include <vector>

// What is known from outside of calls that stream, and of those that are made of others.
namespace yonder::core::simulation {

// What a call streams, as its caller sees it.
struct stream_story {
  bool reads = false;          // its caller reads what its task produces
  bool feeds = false;          // its task reads what its caller sends
  std::uint64_t produces = 0;  // items, whichever attempt runs
  std::uint64_t holds = 0;     // items that its caller has for it
  stream_level window;

  stream_reader reader;
  stream_level came;                                 // to its caller
  stream_level unread;                               // of that
  stream_level passed;                               // to its caller, as far as the hub is concerned
  stream_level told;                                 // to its task: what its reader allows
  std::uint32_t worker = 0;                          // that has it
  std::uint64_t wants_input_at = ~std::uint64_t{0};  // as it has said: it has had so many items
  std::uint64_t given = 0;                           // items of its input
  bool given_all = false;
  stream_level allowed;      // of its input, as its caller was told
  stream_level fed;          // by its caller
  bool fed_all = false;      // and it has said so
  bool planned = false;      // its caller looks at it soon
  bool out_of_time = false;  // so its caller is told

  bool was_fed() const { return fed.items != 0 || fed_all; }
};

// What an attempt streams, as its task sees it.
struct attempt_stream {
  std::uint32_t story = 0;  // its place in world::streams_, from 1
  stream_level allowed;     // by its reader
  stream_level made;
  bool asks = false;  // for its input,
  time_point asked_at = 0;
  stream_reader input;
  stream_level got;
  std::deque<stream_level> inbox;  // frames
  bool input_ended = false;
  bool planned = false;       // it goes on soon
  bool said_to_wait = false;  // for its input
  time_point waits_since_input = 0;
  time_point waits_since = never;  // for its reader
  duration waited = 0;
  std::uint32_t waits = 0;  // so many times
};

// How far the caller of a call was told that its task is.
struct told_progress {
  std::uint32_t attempt = 0, epoch = 0;
  std::uint32_t step = 0;
};

// A call under an idempotency key.
struct keyed_call {
  call_id id;
  std::uint64_t scope = 0;                    // which key of which credential and function
  bool other = false;                         // with other arguments than the key's usual ones
  time_point asked_at = 0;                    // the hub, for the first time
  bool may_be_cancelled = false;              // another one of the key had been then, not long ago
  time_point valued_at = 0, valued_last = 0;  // the hub had its value, for the first time, and the last
  bool told = false;                          // its caller
};

// What is known of an idempotency key.
struct key_story {
  call_id gives;                      // whose value it is; of no session: it has none
  call_id runs;                       // the call of it that the hub has given to a worker last
  time_point cancelled_until = 0;     // that one of its calls was cancelled is what it may give so long
  bool usual = false, other = false;  // arguments that there are calls with
  bool timed = false;                 // one of them has a deadline, or a timeout
};

// A call some of whose arguments are the values of others of its session.
struct composed_story {
  std::vector<std::uint32_t> of;  // their numbers
  std::size_t before = 0;         // so many of them stand before its own argument
  bool sole = false;              // nobody else has a use for them
};

}  // namespace yonder::core::simulation
