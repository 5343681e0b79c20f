// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/builds.hpp"
#include "src/core/session_secret.hpp"
#include "src/core/types.hpp"

#include <memory>

namespace yonder::core {

struct worker_config {
  std::uint64_t session = 0;  // session_of(secret)
  session_secret secret{};    // drawn at random, once per process
  std::string name;           // "host/1234": where a call ran, for people
  std::uint64_t pid = 0;
  std::uint64_t start_token = 0;    // which start of a launcher this process comes of; 0: none
  core::predecessor predecessor{};  // whose place this process takes
  frame_limits limits;              // what this worker can receive
  std::vector<function_info> functions;
  program_build made_of{};
  std::string gpus{};             // as of hello_message
  std::uint32_t concurrency = 1;  // attempts that run at once
  std::uint32_t max_row = 1;      // items of a batch that are given out together, where one runs at once
  duration row_time = 50 * microsecond;  // for which they are estimated to run, at most
  std::size_t max_queued = 1024;         // frames of them waiting here; past it the hub violates the protocol
  duration result_delay = 100 * microsecond;  // a value of a batch waits so long for those that follow it
  duration hub_timeout = 60 * second;         // without a hub for so long: exit
  duration cancel_grace =
      2 * second;  // an attempt of a session that ended must stop within it, or the worker exits
  duration drain_linger =
      5 * second;  // for which a drained worker waits until more of its last results is acknowledged
  time_point ends_at = never;  // when its allocation ends, and it with it
  link_timing timing;
};

// The serving end of a connection to a hub: starts attempts first in first out, so many at once as it is
// configured to.
class worker {
 public:
  worker(worker_config config, time_point now);
  ~worker();

  void connected(time_point now, peer_id peer, bool reliable, outputs& out);

  // The connection ended; `final`: for good, which asks for exit. Otherwise connected() may follow.
  void lost(time_point now, peer_id peer, bool final, errc code, std::string_view reason, outputs& out);

  void receive(time_point now, peer_id peer, frame&& message, outputs& out);

  // An attempt that out::run named has ended. `value`: payload and buffers, without metadata.
  void finished(time_point now, attempt_key const& key, frame value, outputs& out);
  void finished(time_point now, attempt_key const& key, failure error, outputs& out);
  // The first sizes.size() items of the row that begins with `key` have ended with these values, which lie
  // one behind the other. The row begins with the next one from now on.
  void finished(time_point now, attempt_key const& key, std::span<std::uint32_t const> sizes,
                std::span<std::byte const> values, outputs& out);
  // Of the row that begins with `key` only the first `begun` items were begun, and no further one will be:
  // the others wait again.
  void shorten(time_point now, attempt_key const& key, std::uint32_t begun, outputs& out);

  // What a running attempt produces one after the other: the next items, their values one behind the other,
  // or one with its buffers. No more than its terms (out::run, out::stream_allowed) allow; its last word is
  // finished(key, items), or an error. False: the hub cannot receive that.
  bool produced(time_point now, attempt_key const& key, std::uint64_t first,
                std::span<std::uint32_t const> sizes, std::span<std::byte const> values,
                std::vector<buffer> buffers, outputs& out);
  // It has produced so many.
  void finished(time_point now, attempt_key const& key, std::uint64_t items, outputs& out);
  // The running attempt takes so much of what its caller streams to it; out::stream_arrived follow.
  void takes(time_point now, attempt_key const& key, stream_level const& level, outputs& out);
  // It waits for more of that than the `items` that have come, and computes nothing.
  void waits_for_input(time_point now, attempt_key const& key, std::uint64_t items, outputs& out);

  // The running attempt's task says how far it is. What has not left yet, this takes the place of.
  void progressed(time_point now, attempt_key const& key, progress_report const& report, outputs& out);

  // What the tasks of `count` attempts with consecutive numbers have printed, from the running one of `key`
  // on; of attempt 0: what none has. `skipped`: so many bytes before that were lost. False: it was not taken,
  // for want of a hub, or since what was said before is still on its way, and `last` does not hold: the
  // attempt goes on.
  bool printed(time_point now, attempt_key const& key, std::uint32_t count, std::string_view text,
               std::uint64_t skipped, bool last, outputs& out);

  // From now on so many attempts run at once, by what this one, which runs, has made. Nothing changes where
  // its session has ended: the next hub knows what the hello says, and no more.
  void allow(attempt_key const& key, std::uint32_t concurrency);

  // No new work, what waits is handed back, what runs is finished; then out::exit.
  void drain(time_point now, outputs& out);
  // The same, as it was told that it is ended at this time at the latest: SIGTERM, or the notice of a
  // preemption. What is lost by that costs no retry.
  void ends(time_point now, time_point at, outputs& out);

  void tick(time_point now, outputs& out);
  time_point next_deadline() const;

  // True once after the hub has fenced the session: what it has had this worker make is nobody's any more.
  bool lost_session() noexcept;

  std::string const& trouble() const;  // why no hub was reached, the last time; empty once one was
  bool idle() const;                   // nothing runs, nothing waits
  std::size_t queued() const;          // attempts that wait
  std::size_t frames_held() const;
  std::uint64_t protocol_violations() const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace yonder::core
