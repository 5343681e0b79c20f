// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/builds.hpp"
#include "src/core/session_secret.hpp"
#include "src/core/types.hpp"

#include <memory>

namespace yonder::core {

struct client_config {
  std::uint64_t session = 0;  // session_of(secret)
  session_secret secret{};    // drawn at random, once per process and runtime
  std::string name;           // for people
  std::uint64_t pid = 0;
  std::vector<function_info> functions;  // what this program believes; the hub explains mismatches with it
  program_build made_of{};  // unless a call says otherwise it runs on no other build of this program
  std::size_t max_calls = std::size_t{1} << 20;  // in flight; past it a call ends as `overloaded`
  std::size_t max_bytes = std::size_t{1} << 30;  // of arguments in flight
  frame_limits limits;                           // what this client can receive
  std::string hub;                               // where it is, for people
  duration connect_timeout = 10 * second;      // without a hub, calls end as hub_unreachable after this time
  duration deadline_slack = 50 * millisecond;  // how long the hub's answer is awaited past a call's deadline
  link_timing timing;
};

struct call_spec {
  std::string_view function;  // as written into the metadata
  std::uint64_t signature = 0;
  call_policy policy;
  std::uint64_t cookie = 0;              // returned in out::completed
  attempt_key parent;                    // as the metadata say (write_parent); attempt 0: none
  std::optional<stream_terms> stream{};  // as the metadata say (write_stream): out::stream_arrived follow
  bool feeds = false;                    // its task reads what feed() is given
  frame message;  // body: begin_call()'s metadata, then the payload; head.metadata_size as begin_call() says
};

// Calls of one task under one policy that travel together.
struct batch_spec {
  struct item {
    std::uint32_t size = 0;    // of its arguments
    std::uint64_t cookie = 0;  // returned in out::completed
  };
  std::string_view function;
  std::uint64_t signature = 0;
  call_policy policy;
  byte_buffer metadata;  // as begin_call() writes it, the same for all
  attempt_key parent;    // as they say (write_parent); attempt 0: none
  std::vector<item> items;
  byte_buffer payloads;  // the items' arguments, one after the other, without buffers of their own
};

// Of one frame; more items travel in several.
inline constexpr std::size_t max_batch_bytes = std::size_t{128} << 10;

// Writes the metadata of a call to `body`, which must be empty; the payload is encoded behind it. Returns
// head.metadata_size. `traceparent` may be empty.
std::uint32_t begin_call(byte_buffer& body, std::string_view function, call_policy const& policy,
                         std::string_view traceparent = {});

// The caller's end of a connection to a hub. Every submitted call completes exactly once.
class client {
 public:
  explicit client(client_config config);
  ~client();

  // A connection stands: says hello. `reliable`: frames are neither lost nor repeated while it stands.
  void connected(time_point now, peer_id peer, bool reliable, outputs& out);

  // The connection ended. `final`: nobody will connect again; every call ends as disconnected (or as `code`,
  // if the connection never stood: hub_unreachable, unauthorized, protocol_mismatch). Otherwise connected()
  // may follow, and what the hub knows goes on.
  void lost(time_point now, peer_id peer, bool final, errc code, std::string_view reason, outputs& out);

  // A connection could not be made. `final` and `code` as for lost().
  void unreachable(time_point now, bool final, errc code, std::string_view reason, outputs& out);

  void receive(time_point now, peer_id peer, frame&& message, outputs& out);

  // Takes a call; sends it at once if the hub has said welcome. May complete it within this step
  // (overloaded). Without the memory for that it throws, and has taken nothing.
  call_id submit(time_point now, call_spec spec, outputs& out);

  // Takes a call for each item, with consecutive numbers from the returned one on. Items past the credit
  // complete as overloaded.
  call_id submit(time_point now, batch_spec const& spec, outputs& out);

  // The call completes as `cancelled` within this step, if it had not ended. False: it had.
  bool cancel(time_point now, call_id call, outputs& out);
  // The same for `count` calls from `first` on. Returns how many had not ended.
  std::size_t cancel(time_point now, call_id first, std::size_t count, outputs& out);

  // Somebody has the outcome of this durable call, of this client or another: its hub need not keep it any
  // more, and is told so in a while.
  void taken(time_point now, call_id of);

  // The reader of the call's stream takes so much from now on: a level that only rises.
  void allow(time_point now, call_id call, stream_level const& level, outputs& out);
  // Of a call with call_spec::feeds, after out::stream_allowed: the next items of its task's input, their
  // values one behind the other, or one with its buffers, and the end. False: not taken; whoever is allowed
  // some again feeds it then.
  bool feed(time_point now, call_id call, std::span<std::uint32_t const> sizes,
            std::span<std::byte const> values, std::vector<buffer>&& buffers, outputs& out);
  bool end_feed(time_point now, call_id call, outputs& out);

  // The task of this attempt, which has made calls, waits for some of them from now on, and computes nothing;
  // to be said again whenever one has ended and it still waits. Then: it goes on.
  void waits(time_point now, attempt_key const& parent, outputs& out);
  void goes_on(time_point now, attempt_key const& parent, outputs& out);
  // The attempt has ended: it makes no more calls.
  void parent_ended(attempt_key const& parent);

  // Ends every call as disconnected, of which it is told `why`, and says bye. Again, where it threw: what is
  // left.
  void shutdown(time_point now, std::string_view why, outputs& out);
  // Where shutdown() gets no memory: forgets every call that is left. `ended` is told the cookie of each, and
  // must not throw.
  void abandon(void (*ended)(void* of, std::uint64_t cookie), void* of) noexcept;

  void tick(time_point now, outputs& out);
  time_point next_deadline() const;  // when tick() is due; never: no time will change anything

  bool ready() const;  // the hub has said welcome
  std::size_t calls_in_flight() const;
  std::size_t bytes_in_flight() const;
  std::size_t frames_held() const;  // retained until acknowledged
  std::uint64_t protocol_violations() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace yonder::core
