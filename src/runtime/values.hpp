// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <vector>

#include "src/core/values.hpp"
#include "src/platform/fork.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/error.hpp"
#include "yonder/ref.hpp"

namespace yonder::detail {

// A value as it is encoded, with its large blocks. Its bytes are the sizes of its parts, then those, each
// from a multiple of 64 on.
struct whole_value {
  std::span<std::byte const> head;
  std::vector<buffer> buffers;
  std::vector<buffer> pieces;  // what they are, one behind the other, where it was made here
  std::uint64_t size = 0;
  std::uint32_t checksum = 0;
  std::shared_ptr<void const> block;              // of all of it, where it came
  std::vector<std::shared_ptr<value_handle>> of;  // the references in it, where it was made here
};
using whole_ref = std::shared_ptr<whole_value const>;

// Throws std::bad_alloc.
whole_ref whole_of(encoded&& content);
// What came, `size` bytes. Null: malformed.
whole_ref whole_of(std::shared_ptr<void const> block, std::byte const* bytes, std::size_t size);

class value_store;

// So many references that this process was given by its hub: they are given back when it goes.
struct value_ticket {
  std::weak_ptr<value_store> from;
  core::value_key key;
  std::uint32_t count = 0;  // under the lock of all tickets
  value_ticket() = default;
  value_ticket(value_ticket const&) = delete;
  value_ticket& operator=(value_ticket const&) = delete;
  ~value_ticket();
};
using ticket_ref = std::shared_ptr<value_ticket>;

// That this process has a reference to a value of its own.
struct own_use {
  std::weak_ptr<value_store> of;
  std::uint64_t number = 0;
  own_use() = default;
  own_use(own_use const&) = delete;
  own_use& operator=(own_use const&) = delete;
  ~own_use();
};

class value_handle {
 public:
  value_link link;
  std::weak_ptr<value_store> store;
  std::shared_ptr<own_use> own;  // null: it is another process's
  ticket_ref ticket;  // null: none, another reference keeps it in use; under the lock of all tickets
};

// What a call has to do with values by reference.
struct outgoing_values {
  std::vector<core::referred_argument> arguments;
  std::vector<value_ref> kept;  // in use as long as the call is on its way
};

// The values that one engine's process has made, and those that were brought here. Its thread, which starts
// with the first reference that leaves, gives pieces of its own ones to the hub, and takes no lock of the
// engine with its own.
class value_store : public std::enable_shared_from_this<value_store> {
 public:
  // `most_bytes`: of one value that is brought here, and of all that stay for further calls.
  value_store(std::weak_ptr<engine> of, std::uint64_t session, std::uint64_t most_bytes)
      : engine_(std::move(of)), session_(session), most_bytes_(most_bytes) {}
  ~value_store();

  std::uint64_t session() const noexcept { return session_; }
  decode_limits decoding() const;

  value_ref keep(encoded&& content, std::vector<value_ref>&& within);
  // A reference to it leaves this process.
  void leaves(std::uint64_t number);
  // One to a value of its own has come; null: it has it no more.
  std::shared_ptr<own_use> use(std::uint64_t number);
  // The value, which is brought here unless it is. Blocks. Throws as ref::get() does.
  whole_ref bring(value_link const& link);
  // Says that this process has references, of its own or on behalf of a call's outcome. Blocks; throws what
  // calls throw.
  void hold(core::call_id call, std::span<core::value_key const> keys);

  void give_back(core::value_key const& key, std::uint32_t count) noexcept;
  void no_longer_used(std::uint64_t number) noexcept;

  // The engine has ended: every call has.
  void stop();

 private:
  using lock = std::unique_lock<std::mutex>;
  struct own_value {
    whole_ref value;
    std::weak_ptr<own_use> use;
    bool left = false;  // references to it may be elsewhere
  };
  struct fetching {
    bool done = false;
    whole_ref value;
    std::optional<error_details> failure;
  };
  using places = std::list<std::pair<core::value_key, whole_ref>>;

  whole_ref fetch(value_link const& link);
  whole_ref own(std::uint64_t number);
  void remember(lock& held, core::value_key const& key, whole_ref const& value);
  void start();
  void run();
  void take_events(lock& held, call_ref const& served);
  void give(engine_ref const& where, core::value_events::wish const& wish, whole_ref const& value);
  static void serve_ended(void* self);

  std::weak_ptr<engine> engine_;
  std::uint64_t session_;
  std::uint64_t most_bytes_;
  platform::process_mark mark_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::map<std::uint64_t, own_value> own_;
  places brought_;  // the longest unused first
  std::map<core::value_key, places::iterator> found_;
  std::uint64_t bytes_ = 0;  // of brought_
  std::size_t fetches_ = 0;  // under way
  std::map<core::value_key, std::shared_ptr<fetching>> coming_;
  std::vector<core::value_drop> drops_;
  bool runs_ = false;
  bool stops_ = false;
  bool told_ = false;  // the call that asks for events has ended
  std::thread thread_;
};

// References that this thread has encoded since it began a call, a value or a task, and those that it has
// decoded in the task.
std::vector<value_ref> take_encoded_references();
std::vector<std::weak_ptr<value_handle>> take_decoded_references();
bool has_references() noexcept;  // of either
void forget_references() noexcept;

// What a result was said to have references to.
std::vector<ticket_ref> tickets_for(std::shared_ptr<value_store> const& store,
                                    std::span<core::value_key const> keys);
// Those to keep of what a task has decoded: they have no ticket, and live. `keys` are theirs.
std::vector<value_ref> outliving(std::vector<std::weak_ptr<value_handle>> const& decoded,
                                 std::vector<core::value_key>& keys);
void give_tickets(std::shared_ptr<value_store> const& store, std::span<value_ref const> handles);

}  // namespace yonder::detail
