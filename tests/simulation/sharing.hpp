// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/check.hpp"
#include "src/core/client.hpp"
#include "src/core/hub.hpp"
#include "src/core/values.hpp"
#include "src/core/worker.hpp"
#include "tests/simulation/records.hpp"
#include "tests/simulation/simulation.hpp"

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

// Values by reference, between processes that make them, call with them and bring them, as src/runtime does:
// a hub, clients and workers as they are, and of each process what it does with its values
// (sharing_processes.cpp). Processes end, hubs are started anew, calls are cancelled, frames are late, lost
// or repeated (sharing.cpp).
namespace yonder::core::simulation {

class sharing_world {
 public:
  explicit sharing_world(options const& what) : what_(what), random_(what.seed) {}
  report run();

 private:
  static constexpr std::size_t caller_count = 2, process_count = 5;  // the others run tasks
  static constexpr std::uint32_t piece_size = 40;                    // bytes
  static constexpr std::uint32_t pieces_at_once = 2;
  static constexpr std::uint64_t no_session = 0;

  enum class does : std::uint8_t { make, use, pass, keep };

  // What a process has made.
  struct own_value {
    std::uint32_t pieces = 0;
    bool used = true;  // by the process itself
    std::size_t served = 0;
  };
  // The references of a process to another one's value.
  struct ticket {
    std::uint32_t pieces = 0;
    std::uint32_t count = 0;    // as the hub has given them
    std::uint32_t handles = 0;  // that use it
    bool unsure = false;        // it was kept for a call that nobody waited for any more
  };
  struct transfer {
    std::uint64_t number = 0;
    std::uint32_t pieces = 0, asked = 0, came = 0;
    std::string bytes;
    std::vector<std::function<void(errc)>> wait;
  };
  struct task {
    attempt_key key;
    does what{};
    value_key value;
    std::uint32_t pieces = 0;
  };
  struct order {
    enum class kind : std::uint8_t { call, serve, fetch, give, hold, drop } what{};
    does task{};
    value_key value;
    std::uint32_t pieces = 0;
    std::uint32_t piece = 0;
    std::uint64_t transfer = 0;
    std::function<void(bool)> held{};
  };
  struct process {
    std::uint64_t life = 0;  // counts what was started in its place
    std::uint64_t session = no_session;
    std::unique_ptr<client> calls;
    std::unique_ptr<worker> tasks;
    peer_id of_calls = 0, of_tasks = 0;
    time_point calls_tick = never, tasks_tick = never;
    std::optional<task> runs;
    std::map<std::uint64_t, own_value> own;
    bool serves = false;
    std::map<value_key, ticket> tickets;
    std::map<value_key, std::string> brought;
    std::map<value_key, transfer> coming;
    std::map<std::uint64_t, order> orders;  // by the numbers of its calls
  };

  // --- chance and time

  std::uint64_t below(std::uint64_t most) { return random_.below(most); }
  bool one_in(std::uint64_t most) { return below(most) == 0; }
  duration between(duration low, duration high) {
    return low + static_cast<duration>(below(static_cast<std::uint64_t>(high - low) + 1));
  }
  void plan(duration after, std::function<void()> what) {
    schedule_.emplace(std::pair(now_ + after, ++planned_), std::move(what));
  }
  // Of a process: nothing once it has ended.
  void plan_of(std::size_t index, duration after, std::function<void()> what) {
    plan(after, [this, index, life = all_[index].life, what = std::move(what)] {
      if (all_[index].life == life && all_[index].calls) what();
    });
  }
  void violated(std::string what) {
    if (seen_.violation.empty()) seen_.violation = std::move(what) + " (at " + std::to_string(now_) + " ns)";
  }
  void reach(state one) { seen_.reached.set(static_cast<std::size_t>(one)); }
  void note(std::uint64_t what) { seen_.digest = (seen_.digest ^ what) * 0x100000001b3; }

  // --- what is said

  void post(out::send& sent, bool to_hub);
  void deliver(peer_id peer, bool to_hub, frame&& message);
  void after_hub();
  void after_calls(std::size_t index);
  void after_tasks(std::size_t index);

  // --- what happens

  void begin_hub();
  void restart_hub();
  void begin(std::size_t index);
  void connect(std::size_t index);
  void end(std::size_t index);
  void misfortune();

  // --- processes that call

  void act(std::size_t index);
  void call(std::size_t index, does what, value_key const& of);
  void ended(std::size_t index, order const& call, outcome& result);
  void take_references(std::size_t index, frame const& result);
  void drop_handle(std::size_t index, value_key const& key);

  // --- tasks

  void run(std::size_t index, out::run const& what);
  void finish(std::size_t index, std::vector<value_key> const& refers, std::uint64_t sum);
  void fail(std::size_t index, errc code);
  void hold(std::size_t index, call_id call, value_key const& key, std::function<void(bool)> held);

  // --- their values

  call_id ask(std::size_t index, order what, std::string_view function, std::string const& payload,
              std::optional<buffer> block = {}, bool idempotent = true);
  void serve(std::size_t index);
  void take_events(std::size_t index, frame const& told);
  void give(std::size_t index, value_events::wish const& wish);
  void bring(std::size_t index, value_key const& key, std::uint32_t pieces, std::function<void(errc)> done);
  void ask_pieces(std::size_t index, value_key const& key);
  void take_piece(std::size_t index, order const& asked, outcome& result);
  void own_no_more(std::size_t index, std::uint64_t number);
  void drop(std::size_t index, value_key const& key, std::uint32_t count, bool of_owner);
  static std::string content_of(value_key const& key, std::uint32_t pieces);
  static std::uint64_t sum_of(std::string const& bytes);

  // --- what is observed

  process* owner_of(value_key const& key);
  bool must_have(std::size_t index, value_key const& key);
  bool caller_needs(call_id id, value_key const& key);
  void observe_freed(std::size_t owner, std::uint64_t number);
  bool is_over();
  void check_rest();

  options what_;
  random_source random_;
  report seen_;
  time_point now_ = 0;
  std::uint64_t planned_ = 0;
  std::map<std::pair<time_point, std::uint64_t>, std::function<void()>> schedule_;
  bool reliable_ = true;
  bool stopping_ = false;
  time_point rest_from_ = never;
  std::uint64_t sessions_ = 100, numbers_ = 0;
  peer_id peers_ = 0;
  std::map<peer_id, time_point> last_arrival_;
  std::unique_ptr<hub> hub_;
  std::uint32_t hub_life_ = 0;
  std::set<value_key> forgotten_;  // that were there when a hub was started anew: it knows of no reference
  time_point hub_tick_ = never;
  std::vector<process> all_ = std::vector<process>(process_count);
  outputs out_;
};

}  // namespace yonder::core::simulation
