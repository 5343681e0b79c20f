// SPDX-License-Identifier: Apache-2.0
//
// Values by reference, between processes that make them, call with them and bring them, as src/runtime does:
// a hub, clients and workers as they are, and of each process what it does with its values. Processes end,
// hubs are started anew, calls are cancelled, frames are late, lost or repeated.
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

namespace yonder::core::simulation {
namespace {

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

// --- what is said

// In order, where nothing is lost.
void sharing_world::post(out::send& sent, bool to_hub) {
  auto const& message = sent.message();
  auto const copies = reliable_ || stopping_ ? 1U : one_in(50) ? 0U : one_in(50) ? 2U : 1U;
  seen_.frames += 1;
  for (auto i = copies; i != 0; --i) {
    auto when = now_ + between(5 * microsecond, 500 * microsecond);
    auto& last = last_arrival_[sent.peer * 2 + (to_hub ? 1 : 0)];
    if (reliable_) when = last = std::max(when, last + 1);
    auto const copy = std::make_shared<frame>(frame{message.head, message.body.duplicate(), message.buffers});
    plan(when - now_, [this, peer = sent.peer, to_hub, copy] { deliver(peer, to_hub, std::move(*copy)); });
  }
}

void sharing_world::deliver(peer_id peer, bool to_hub, frame&& message) {
  if (to_hub) {
    for (auto const& one : all_)
      if (one.calls && (one.of_calls == peer || one.of_tasks == peer)) {
        hub_->receive(now_, peer, std::move(message), out_);
        return after_hub();
      }
    return;
  }
  for (std::size_t i = 0; i < all_.size(); ++i) {
    auto& one = all_[i];
    if (one.calls && one.of_calls == peer) {
      one.calls->receive(now_, peer, std::move(message), out_);
      return after_calls(i);
    }
    if (one.tasks && one.of_tasks == peer) {
      one.tasks->receive(now_, peer, std::move(message), out_);
      return after_tasks(i);
    }
  }
}

void sharing_world::after_hub() {
  ++seen_.events;
  std::vector<std::size_t> doomed;
  for (auto& one : std::exchange(out_, {})) {
    if (auto* const sent = std::get_if<out::send>(&one)) post(*sent, false);
    auto const* const kill = std::get_if<out::kill_worker>(&one);
    auto const* const closed = std::get_if<out::close>(&one);
    for (std::size_t i = 0; (kill != nullptr || closed != nullptr) && i < all_.size(); ++i) {
      auto const peer = kill != nullptr ? kill->peer : closed->peer;
      if (peer != all_[i].of_calls && peer != all_[i].of_tasks) continue;
      if (kill != nullptr || reliable_)
        plan(1, [this, i, life = all_[i].life] {
          if (all_[i].life == life) end(i);
        });
      else
        plan_of(i, millisecond, [this, i] { connect(i); });
    }
  }
  auto const due = hub_->next_deadline();
  if (due == never || due >= hub_tick_) return;
  hub_tick_ = due;
  plan(std::max<duration>(due - now_, 1), [this, hub = hub_life_] {
    if (hub != hub_life_) return;
    hub_tick_ = never;
    hub_->tick(now_, out_);
    after_hub();
  });
}

void sharing_world::after_calls(std::size_t index) {
  ++seen_.events;
  auto const life = all_[index].life;
  std::vector<out::completed> done;
  std::vector<frame> late;
  for (auto& one : std::exchange(out_, {})) {
    if (auto* const sent = std::get_if<out::send>(&one)) post(*sent, true);
    if (auto* const ended = std::get_if<out::completed>(&one)) done.push_back(std::move(*ended));
    if (auto* const came = std::get_if<out::came_late>(&one)) late.push_back(std::move(came->result));
  }
  auto const due = all_[index].calls->next_deadline();
  if (due != never && due < all_[index].calls_tick) {
    all_[index].calls_tick = due;
    plan_of(index, std::max<duration>(due - now_, 1), [this, index] {
      all_[index].calls_tick = never;
      all_[index].calls->tick(now_, out_);
      after_calls(index);
    });
  }
  for (auto const& result : late) {
    reach(state::came_late);
    std::vector<value_key> keys;
    read_references(result.metadata(), keys);
    for (auto const& key : keys) drop(index, key, 1, false);
  }
  for (auto& one : done) {
    if (all_[index].life != life || !all_[index].calls) return;
    note(one.call.number);
    auto const found = all_[index].orders.extract(one.call.number);
    if (found.empty()) return violated("an outcome for no call");
    ended(index, found.mapped(), one.result);
  }
}

void sharing_world::after_tasks(std::size_t index) {
  ++seen_.events;
  auto leaves = false;
  std::vector<out::run> begun;
  for (auto& one : std::exchange(out_, {})) {
    if (auto* const sent = std::get_if<out::send>(&one)) post(*sent, true);
    if (auto* const next = std::get_if<out::run>(&one)) begun.push_back(std::move(*next));
    leaves = leaves || std::holds_alternative<out::exit>(one);
  }
  auto& its = all_[index];
  if (leaves) return end(index);
  auto const due = its.tasks->next_deadline();
  if (due != never && due < its.tasks_tick) {
    its.tasks_tick = due;
    plan_of(index, std::max<duration>(due - now_, 1), [this, index] {
      all_[index].tasks_tick = never;
      all_[index].tasks->tick(now_, out_);
      after_tasks(index);
    });
  }
  for (auto const& one : begun) run(index, one);
}

// --- what happens

namespace sharing_time {
link_timing timing() {
  link_timing made;
  made.heartbeat = 100 * millisecond;
  made.ack_delay = 10 * millisecond;
  made.resend_after = 40 * millisecond;
  return made;
}
}  // namespace sharing_time

void sharing_world::begin_hub() {
  hub_config config;
  config.seed = random_.next();
  config.silence = 1 * second;
  config.session_timeout = 2 * second;
  config.backoff_first = 20 * millisecond;
  config.backoff_cap = 200 * millisecond;
  config.timing = sharing_time::timing();
  ++hub_life_;
  hub_tick_ = never;
  hub_ = std::make_unique<hub>(std::move(config), now_);
}

void sharing_world::restart_hub() {
  reach(state::hub_restarted);
  for (auto const& one : all_)
    for (auto const& [number, value] : one.own) forgotten_.insert({one.session, number});
  begin_hub();
  for (std::size_t i = 0; i < all_.size(); ++i) {
    if (all_[i].calls) connect(i);
  }
}

void sharing_world::begin(std::size_t index) {
  auto& its = all_[index];
  auto const life = its.life + 1;
  its = {};
  its.life = life;
  its.session = ++sessions_;
  client_config calls;
  calls.session = its.session;
  calls.timing = sharing_time::timing();
  calls.connect_timeout = 100 * second;
  calls.limits = {std::size_t{1} << 20, 16};
  its.calls = std::make_unique<client>(std::move(calls));
  if (index >= caller_count) {
    worker_config tasks;
    tasks.session = ++sessions_;
    tasks.name = "w" + std::to_string(index);
    tasks.timing = sharing_time::timing();
    tasks.limits = {std::size_t{1} << 20, 16};
    tasks.hub_timeout = 1'000 * second;
    for (auto const* const name : {"make", "use", "pass", "keep"}) tasks.functions.push_back({name, 7, ""});
    its.tasks = std::make_unique<worker>(std::move(tasks), now_);
  }
  connect(index);
  if (index < caller_count) plan_of(index, millisecond, [this, index] { act(index); });
}

// Anew, where it was connected before: what was under way is lost.
void sharing_world::connect(std::size_t index) {
  auto& its = all_[index];
  auto const life = its.life;
  auto const link = [&](auto& core, peer_id& peer, auto&& after) {
    if (peer != 0) {
      auto const before = std::exchange(peer, 0);
      hub_->lost(now_, before, {}, out_);
      after_hub();
      if (its.life != life || !core) return;
      core->lost(now_, before, false, errc::disconnected, "simulated", out_);
      after();
      if (its.life != life || !core) return;
    }
    peer = ++peers_;
    hub_->connected(now_, peer, {reliable_, 0, "process" + std::to_string(index)}, out_);
    after_hub();
    core->connected(now_, peer, reliable_, out_);
    after();
  };
  link(its.calls, its.of_calls, [&] { after_calls(index); });
  if (its.life == life && its.tasks) link(its.tasks, its.of_tasks, [&] { after_tasks(index); });
}

void sharing_world::end(std::size_t index) {
  auto& its = all_[index];
  if (!its.calls) return;
  reach(state::worker_crashed);
  auto const calls = its.of_calls, tasks = its.of_tasks;
  auto const life = its.life;
  its = {};
  its.life = life;
  for (auto const peer : {calls, tasks}) {
    if (peer == 0) continue;
    plan(millisecond, [this, peer] {
      hub_->lost(now_, peer, {}, out_);
      after_hub();
    });
  }
  plan(between(2 * millisecond, 50 * millisecond), [this, index] { begin(index); });
}

void sharing_world::misfortune() {
  if (stopping_) return;
  auto const index = static_cast<std::size_t>(below(all_.size()));
  auto const which = below(8);
  if (which < 2 && !reliable_)  // a hub of the own process ends with it
    restart_hub();
  else if (which < 5)
    end(index);
  else if (!reliable_ && all_[index].calls)
    connect(index);
  plan(between(millisecond, 60 * millisecond), [this] { misfortune(); });
}

// --- processes that call

void sharing_world::act(std::size_t index) {
  auto& its = all_[index];
  std::vector<value_key> has;
  for (auto const& [key, one] : its.tickets)
    if (one.handles != 0) has.push_back(key);
  auto const which = below(8);
  if (stopping_) {
    if (!has.empty()) drop_handle(index, has.front());
  } else if (has.empty() || which == 0) {
    if (its.orders.size() < 8) call(index, does::make, {});
  } else {
    auto const key = has[below(has.size())];
    if (which < 4) {
      call(index, std::array{does::use, does::pass, does::keep}[which - 1], key);
    } else if (which < 6) {
      ++its.tickets[key].handles;
      bring(index, key, its.tickets[key].pieces, [this, index, key](errc code) {
        if (code != errc{} && must_have(index, key))
          violated("a value is gone although its process lives, and somebody has a reference");
        drop_handle(index, key);
      });
    } else if (its.tickets[key].handles == 1) {
      drop_handle(index, key);
    }
  }
  if (!all_[index].calls) return;
  auto const next =
      stopping_ && its.tickets.empty() ? 50 * millisecond : between(100 * microsecond, 3 * millisecond);
  plan_of(index, next, [this, index] { act(index); });
}

void sharing_world::call(std::size_t index, does what, value_key const& of) {
  static constexpr std::array<std::string_view, 4> names{"make", "use", "pass", "keep"};
  auto& its = all_[index];
  auto const pieces = what == does::make ? 1 + static_cast<std::uint32_t>(below(5)) : its.tickets[of].pieces;
  if (what != does::make) ++its.tickets[of].handles;  // as long as the call is on its way
  std::string payload(20, '\0');
  auto* const at = reinterpret_cast<std::byte*>(payload.data());
  store_le(at, of.owner);
  store_le(at + 8, of.number);
  store_le(at + 16, pieces);
  order made;
  made.what = order::kind::call;
  made.task = what;
  made.value = of;
  made.pieces = pieces;
  ++seen_.calls;
  auto const id = ask(index, std::move(made), names[static_cast<std::size_t>(what)], payload, {}, one_in(2));
  if (!one_in(3)) return;
  plan_of(index, between(0, 3 * millisecond), [this, index, id] {
    if (all_[index].calls->cancel(now_, id, out_)) ++seen_.failures;
    after_calls(index);
  });
}

void sharing_world::ended(std::size_t index, order const& call, outcome& result) {
  using kind = order::kind;
  switch (call.what) {
    case kind::serve:
      if (!all_[index].calls) return;
      if (result.ok()) take_events(index, result.value());
      all_[index].serves = false;
      return serve(index);
    case kind::fetch: return take_piece(index, call, result);
    case kind::hold: return call.held(result.ok());
    case kind::give:
    case kind::drop:
      if (!result.ok()) violated("what is said of values is refused: " + result.error().message);
      return;
    case kind::call: break;
  }
  if (result.ok()) {
    ++seen_.values;
    take_references(index, result.value());
    auto const payload = result.value().payload();
    if (call.task == does::use && (payload.size() != 8 || load_le<std::uint64_t>(payload.data()) !=
                                                              sum_of(content_of(call.value, call.pieces))))
      violated("a task ran on another value than it was called with");
  } else if (result.error().code == errc::value_gone && must_have(index, call.value)) {
    violated("a task's argument is gone although its process lives, and its caller has a reference");
  }
  if (call.task != does::make) drop_handle(index, call.value);
}

void sharing_world::take_references(std::size_t index, frame const& result) {
  std::vector<value_key> keys;
  if (!read_references(result.metadata(), keys)) return violated("the references of a result do not decode");
  for (auto const& key : keys) {
    auto& one = all_[index].tickets[key];
    one.pieces = static_cast<std::uint32_t>(key.number % 8);
    ++one.count;
    ++one.handles;
    one.unsure = false;
    reach(state::referred);
  }
}

void sharing_world::drop_handle(std::size_t index, value_key const& key) {
  auto& its = all_[index].tickets;
  auto const found = its.find(key);
  if (found == its.end() || --found->second.handles != 0) return;
  auto const count = found->second.count;
  its.erase(found);
  drop(index, key, count, false);
}

// --- tasks

void sharing_world::run(std::size_t index, out::run const& what) {
  auto& its = all_[index];
  if (its.runs) return violated("a worker runs two at once");
  auto& made = its.runs.emplace();
  auto const payload = what.message.payload();
  made.key = what.key;
  made.what = what.function == "make"   ? does::make
              : what.function == "use"  ? does::use
              : what.function == "pass" ? does::pass
                                        : does::keep;
  made.value = {load_le<std::uint64_t>(payload.data()), load_le<std::uint64_t>(payload.data() + 8)};
  made.pieces = load_le<std::uint32_t>(payload.data() + 16);
  if (made.what == does::make) {
    made.value = {its.session, ++numbers_ * 8 + made.pieces};
    its.own[made.value.number] = {made.pieces, true, 0};
    serve(index);
  }
  plan_of(index, between(10 * microsecond, 2 * millisecond), [this, index] {
    auto const now = *all_[index].runs;
    auto const goes_on = [this, index, key = now.key] {
      return all_[index].runs && all_[index].runs->key == key;
    };
    switch (now.what) {
      case does::make:
      case does::pass:
        return hold(index, now.key.call, now.value, [this, index, now, goes_on](bool held) {
          if (!goes_on()) return;
          held ? finish(index, {now.value}, 0) : fail(index, errc::failed);
          if (now.what == does::make && all_[index].calls) own_no_more(index, now.value.number);
        });
      case does::use:
        return bring(index, now.value, now.pieces, [this, index, now, goes_on](errc code) {
          if (!goes_on()) return;
          if (code != errc{}) return fail(index, code);
          auto const& mine = all_[index];
          finish(index, {},
                 sum_of(now.value.owner == mine.session ? content_of(now.value, now.pieces)
                                                        : mine.brought.at(now.value)));
        });
      case does::keep:
        if (now.value.owner == all_[index].session) return finish(index, {}, 0);
        return hold(index, {}, now.value, [this, index, now, goes_on](bool held) {
          if (held) {
            auto& one = all_[index].tickets[now.value];
            one.pieces = now.pieces;
            ++one.count;
            ++one.handles;
            one.unsure = !caller_needs(now.key.call, now.value);
            plan_of(index, between(millisecond, 20 * millisecond),
                    [this, index, key = now.value] { drop_handle(index, key); });
          }
          if (goes_on()) finish(index, {}, 0);
        });
    }
  });
}

void sharing_world::finish(std::size_t index, std::vector<value_key> const& refers, std::uint64_t sum) {
  auto const key = all_[index].runs->key;
  all_[index].runs.reset();
  frame value;
  byte_buffer body;
  if (!refers.empty()) write_references(body, refers);
  value.head.metadata_size = static_cast<std::uint32_t>(body.size());
  store_le(body.extend(8), sum);
  value.body = std::move(body);
  all_[index].tasks->finished(now_, key, std::move(value), out_);
  after_tasks(index);
}

void sharing_world::fail(std::size_t index, errc code) {
  auto const key = all_[index].runs->key;
  all_[index].runs.reset();
  failure error;
  error.code = code;
  error.message = "simulated";
  all_[index].tasks->finished(now_, key, std::move(error), out_);
  after_tasks(index);
}

void sharing_world::hold(std::size_t index, call_id call, value_key const& key,
                         std::function<void(bool)> held) {
  order made;
  made.what = order::kind::hold;
  made.held = std::move(held);
  ask(index, std::move(made), hold_values, encode_hold({call, {key}}));
}

// --- their values

call_id sharing_world::ask(std::size_t index, order what, std::string_view function,
                           std::string const& payload, std::optional<buffer> block, bool idempotent) {
  auto& its = all_[index];
  call_spec spec;
  spec.function = function;
  spec.signature = function.starts_with(' ') ? 0 : 7;
  spec.policy.idempotent = idempotent;
  byte_buffer body;
  begin_call(body, function, spec.policy);
  spec.message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  body.append(payload.data(), payload.size());
  spec.message.body = std::move(body);
  if (block) spec.message.buffers.push_back(std::move(*block));
  auto earlier = std::exchange(out_, {});
  auto const id = its.calls->submit(now_, std::move(spec), out_);
  its.orders[id.number] = std::move(what);
  after_calls(index);
  out_ = std::move(earlier);
  return id;
}

void sharing_world::serve(std::size_t index) {
  if (std::exchange(all_[index].serves, true)) return;
  order made;
  made.what = order::kind::serve;
  ask(index, std::move(made), serve_values, {});
}

void sharing_world::take_events(std::size_t index, frame const& told) {
  value_events events;
  if (!decode_events(told.payload(), events)) return violated("what an owner is told does not decode");
  auto& its = all_[index];
  if (events.wishes.empty() && events.unused.empty()) {
    std::vector<std::uint64_t> unneeded;
    for (auto const& [number, one] : its.own)
      if (!one.used) unneeded.push_back(number);
    for (auto const number : unneeded) drop(index, {its.session, number}, 0, true);
  }
  for (auto const number : events.unused) {
    auto const found = its.own.find(number);
    if (found == its.own.end() || found->second.used) continue;
    observe_freed(index, number);
    its.own.erase(found);
  }
  for (auto const& wish : events.wishes) give(index, wish);
}

void sharing_world::give(std::size_t index, value_events::wish const& wish) {
  auto& its = all_[index];
  auto const found = its.own.find(wish.number);
  order made;
  made.what = order::kind::give;
  std::optional<buffer> block;
  if (found != its.own.end()) {
    auto const bytes = std::make_shared<std::string>(
        content_of({its.session, wish.number}, found->second.pieces).substr(wish.offset, wish.size));
    block = buffer{reinterpret_cast<std::byte const*>(bytes->data()), bytes->size(), bytes};
  }
  ask(index, std::move(made), give_value, encode_gift(wish.request, block.has_value()), block);
}

void sharing_world::bring(std::size_t index, value_key const& key, std::uint32_t pieces,
                          std::function<void(errc)> done) {
  auto& its = all_[index];
  if (key.owner == its.session) return done(its.own.contains(key.number) ? errc{} : errc::value_gone);
  if (its.brought.contains(key)) return done(errc{});
  auto const [found, is_new] = its.coming.try_emplace(key);
  found->second.wait.push_back(std::move(done));
  if (!is_new) return;
  found->second.pieces = pieces;
  found->second.number = ++numbers_;
  ask_pieces(index, key);
}

void sharing_world::ask_pieces(std::size_t index, value_key const& key) {
  for (;;) {
    auto const found = all_[index].coming.find(key);
    if (found == all_[index].coming.end()) return;
    auto& one = found->second;
    if (one.asked == one.pieces || one.asked - one.came == pieces_at_once) return;
    order made;
    made.what = order::kind::fetch;
    made.value = key;
    made.piece = one.asked++;
    made.transfer = one.number;
    auto const wish = encode_wish({key, std::uint64_t{made.piece} * piece_size, piece_size});
    ask(index, std::move(made), fetch_value, wish);
  }
}

void sharing_world::take_piece(std::size_t index, order const& asked, outcome& result) {
  auto& its = all_[index];
  auto const found = its.coming.find(asked.value);
  if (found == its.coming.end() || found->second.number != asked.transfer)
    return;  // another piece has failed
  auto& one = found->second;
  auto code = errc{};
  if (!result.ok()) {
    code = result.error().code;
    if (code != errc::value_gone) violated("a piece of a value is refused: " + result.error().message);
  } else {
    auto const& buffers = result.value().buffers;
    if (buffers.size() != 1 || buffers[0].size != piece_size)
      return violated("a piece is not what was asked for");
    one.bytes.resize(std::size_t{one.pieces} * piece_size);
    std::copy_n(reinterpret_cast<char const*>(buffers[0].data), piece_size,
                one.bytes.data() + std::size_t{asked.piece} * piece_size);
    if (++one.came != one.pieces) return ask_pieces(index, asked.value);
    if (one.bytes != content_of(asked.value, one.pieces))
      return violated("a value has come that is not whole");
    if (!its.brought.emplace(asked.value, std::move(one.bytes)).second) violated("a value was brought twice");
    reach(state::brought);
  }
  auto const wait = std::move(one.wait);
  its.coming.erase(found);
  auto const life = its.life;
  for (auto const& done : wait)
    if (all_[index].life == life && all_[index].calls) done(code);
}

void sharing_world::own_no_more(std::size_t index, std::uint64_t number) {
  auto& its = all_[index];
  its.own.at(number).used = false;
  drop(index, {its.session, number}, 0, true);
}

void sharing_world::drop(std::size_t index, value_key const& key, std::uint32_t count, bool of_owner) {
  order made;
  made.what = order::kind::drop;
  ask(index, std::move(made), drop_values, encode_drops(std::vector<value_drop>{{key, count, of_owner}}));
}

std::string sharing_world::content_of(value_key const& key, std::uint32_t pieces) {
  std::string made(std::size_t{pieces} * piece_size, '\0');
  for (std::size_t i = 0; i < made.size(); ++i)
    made[i] = static_cast<char>(mix(key.owner, key.number * 4096 + i));
  return made;
}

std::uint64_t sharing_world::sum_of(std::string const& bytes) {
  std::uint64_t sum = bytes.size();
  for (char const c : bytes) sum = sum * 31 + static_cast<unsigned char>(c);
  return sum;
}

// --- what is observed

sharing_world::process* sharing_world::owner_of(value_key const& key) {
  for (auto& one : all_)
    if (one.calls && one.session == key.owner) return &one;
  return nullptr;
}

// Its owner lives, and this process has a reference of which the hub knows.
bool sharing_world::must_have(std::size_t index, value_key const& key) {
  auto const found = all_[index].tickets.find(key);
  return found != all_[index].tickets.end() && found->second.handles != 0 && !found->second.unsure &&
         !forgotten_.contains(key) && owner_of(key) != nullptr;
}

// The caller waits for that call, and has the reference that it named in it.
bool sharing_world::caller_needs(call_id id, value_key const& key) {
  for (std::size_t i = 0; i < all_.size(); ++i)
    if (all_[i].session == id.session && all_[i].orders.contains(id.number)) return must_have(i, key);
  return false;
}

void sharing_world::observe_freed(std::size_t owner, std::uint64_t number) {
  value_key const key{all_[owner].session, number};
  for (std::size_t i = 0; i < all_.size(); ++i)
    if (all_[i].calls && must_have(i, key)) violated("a value is freed while somebody has a reference to it");
}

bool sharing_world::is_over() {
  if (!stopping_ && seen_.events >= what_.events) {
    stopping_ = true;
    rest_from_ = now_;
  }
  if (seen_.events > 16 * what_.events + 1'000'000) violated("the cores never come to rest");
  return stopping_ && now_ > rest_from_ + 8 * second;
}

// All that had references have let them go.
void sharing_world::check_rest() {
  for (std::size_t i = 0; i < all_.size(); ++i) {
    auto const& its = all_[i];
    if (!its.calls) return violated("a process has not come back");
    for (auto const& [number, one] : its.orders)
      if (one.what != order::kind::serve) return violated("a call, or what is asked of a value, never ended");
    if (!its.coming.empty()) return violated("who waits for a value waits for ever");
    if (!its.tickets.empty()) return violated("a process keeps a reference");
    if (!its.own.empty()) return violated("a value is kept although nobody refers to it");
  }
  if (hub_->census().calls != 0) violated("the hub keeps calls that ended");
}

report sharing_world::run() {
  rare = {};
  marks.reset();
  reliable_ = one_in(2);
  try {
    begin_hub();
    for (std::size_t i = 0; i < all_.size(); ++i) begin(i);
    plan(5 * millisecond, [this] { misfortune(); });
    while (!schedule_.empty() && seen_.violation.empty() && !is_over()) {
      auto next = schedule_.extract(schedule_.begin());
      now_ = next.key().first;
      note(static_cast<std::uint64_t>(now_));
      next.mapped()();
    }
    if (seen_.violation.empty()) check_rest();
  } catch (broken_invariant const& error) {
    violated(error.what());
  }
  seen_.marks = marks;
  seen_.simulated = now_;
  return seen_;
}

}  // namespace

report simulate_sharing(options const& what) { return sharing_world(what).run(); }

}  // namespace yonder::core::simulation
