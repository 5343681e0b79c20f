// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/client.hpp"
#include "src/core/intrusive_list.hpp"
#include "src/core/metadata.hpp"
#include "src/core/number_map.hpp"
#include "src/core/slab.hpp"
#include "src/core/timer_wheel.hpp"

#include <map>
#include <memory>
#include <span>
#include <string>
#include <vector>

// What a client keeps of the calls that it has made. Private to it.
namespace yonder::core {

struct order_tag {};

// An attempt whose task makes calls.
struct calling_attempt {
  attempt_key key;
  task_progress told;                            // by the hub, which knows, too
  task_progress said = wait_message::no_longer;  // in the last wait
  bool waits = false;
  bool over = false;
  std::size_t calls = 0;  // on their way
};

// Those of one client.
class calling_attempts {
 public:
  // Null: it has called nothing.
  calling_attempt* find(attempt_key const& key);
  // Null where no task calls.
  calling_attempt* of(attempt_key const& key);
  void forget_if_done(calling_attempt const& attempt);
  auto begin() const noexcept { return all_.begin(); }
  auto end() const noexcept { return all_.end(); }

 private:
  std::vector<std::unique_ptr<calling_attempt>> all_;
};

// A call without its outcome yet; or several of a batch, as long as the same holds for all of them. They wait
// for a welcome, were given to the link, or are put off: for the welcome of the hub that comes next.
struct pending : timer, list_hook<order_tag> {
  using item = batch_spec::item;

  std::uint64_t number = 0;  // of the first one
  std::uint32_t count = 1;
  std::uint32_t place = 0;                         // of the first one in the batch
  std::shared_ptr<std::vector<item> const> batch;  // null: this is one call, of this cookie
  std::uint64_t cookie = 0;
  std::string_view function;
  call_policy policy;
  time_point submitted = 0;
  time_point deadline = never;
  std::size_t bytes = 0;
  std::uint32_t ticket = 0;           // of the link
  bool given = false;                 // to the link
  bool put_off = false;               // the hub ends, and does not start it
  bool accepted = false;              // durable, and in the hub's journal
  frame_ref message;                  // until it is given away for good; it may hold others, too
  std::uint32_t packed = 1;           // calls in it
  std::uint32_t first = 0;            // which of them is our first one
  std::size_t offset = 0;             // of its payload among theirs
  calling_attempt* parent = nullptr;  // whose task has made it
  std::uint64_t streamed = 0;         // frames that have come of it

  void reset() {
    message = {};
    batch = {};
    count = packed = 1;
    place = first = 0;
    offset = 0;
    parent = nullptr;
    streamed = 0;
    given = put_off = accepted = false;
  }
  // As its parent is told of it, and the hub knows, too.
  void note_streamed() {
    if (parent == nullptr) return;
    ++streamed;
    ++parent->told.streamed;
  }
  void note_ended(std::uint32_t calls) {
    if (parent != nullptr) parent->told.end(calls, std::exchange(streamed, 0));
  }
  bool is_durable() const { return policy.durable || accepted; }
  bool may_repeat() const { return policy.idempotent || policy.retries != 0; }
  bool is_whole() const { return count == packed; }  // the message is of its calls only
  std::uint64_t end() const { return number + count; }
  std::uint64_t cookie_of(std::uint32_t call) const { return batch ? (*batch)[place + call].cookie : cookie; }
  // Of the first `calls`; of a batch.
  std::size_t payload_of(std::uint32_t calls) const {
    std::size_t sum = 0;
    for (auto const& one : std::span(*batch).subspan(place, calls)) sum += one.size;
    return sum;
  }
};

using call_list = intrusive_list<pending, order_tag>;

// Its message is of its own calls alone from now on: the others have ended, or have a way of their own.
void carve(pending& call);

// These items of the batch, whose arguments begin at `offset` of its payloads, as one frame with this header.
frame make_batch(batch_spec const& spec, std::span<batch_spec::item const> items, std::size_t offset,
                 header const& head);

// What a client says of itself; why it has no hub, in words.
hello_message client_hello(client_config const& config);
std::string describe_silence(client_config const& config, std::string const& trouble);
std::string describe_loss(client_config const& config);
// Of a call that a hub may have: what is known of it now that the hub has gone, for this reason.
std::string unknown_after(std::string_view reason, pending const& call, call_id id);

// Records of calls by their numbers, and what they take.
class pending_calls {
 public:
  // Each of the three below may throw for want of memory, and has changed nothing then.

  // `count` calls from `number` on, which take `bytes` in all. Their numbers must be free.
  pending& add(std::uint64_t number, std::uint32_t count, std::size_t bytes);
  // The first `at` calls of a record of more go their own way. They are in no list and have no timer.
  pending& split(pending& call, std::uint32_t at);
  // The first `calls` of a record of more have ended.
  void advance(pending& call, std::uint32_t calls);

  // The record of this call, perhaps among others; null: there is none.
  pending* find(std::uint64_t number) const;
  void remove(pending& call);

  // Why there are no more of them, in words; of so many, and so many bytes at most.
  std::string describe_overload(std::size_t max_calls, std::size_t max_bytes) const;

  std::size_t size() const noexcept { return calls_; }
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  void index(std::uint64_t number, std::uint32_t count, pending& call);
  void forget_number(pending& call);
  static void skip(pending& call, std::uint32_t calls, std::size_t payload);

  slab<pending> records_;
  number_map<pending> by_number_;              // by their first numbers
  std::map<std::uint64_t, pending*> several_;  // of them, those of several calls
  std::size_t calls_ = 0;
  std::size_t bytes_ = 0;
};

}  // namespace yonder::core
