// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulation.hpp"

#include "src/core/client.hpp"
#include "src/core/hub.hpp"
#include "src/core/little_endian.hpp"
#include "src/core/metadata.hpp"
#include "src/core/worker.hpp"
#include "tests/simulation/schedule.hpp"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <stdexcept>
#include <unordered_map>

namespace yonder::core::simulation {
namespace {

constexpr std::uint64_t first_session = 1'000;
constexpr std::uint64_t first_worker_session = std::uint64_t{1} << 40;
constexpr duration rest_limit = 400 * second;  // in which the world must come to rest
constexpr std::size_t argument_size = 16;
constexpr std::size_t value_size = 16;

std::uint64_t mix(std::uint64_t a, std::uint64_t b) {
  auto z = a * 0x9e3779b97f4a7c15 + b;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
  z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
  return z ^ (z >> 31);
}

// What is known of one call from outside the cores.
struct record {
  time_point deadline = never;
  duration timeout = 0;
  std::uint32_t starts = 0;
  std::uint32_t last_attempt = 0;  // that the hub has assigned
  std::uint32_t last_epoch = 0;
  std::uint8_t outcomes = 0;
  bool may_repeat = false;
  bool cancelled_in_queue = false;  // the hub had not assigned it when it took the cancel
};

// One life of a client process.
struct incarnation {
  std::vector<record> records;  // by call number, from 1
  bool ended = false;
};

struct connection {
  bool of_worker = false;
  std::uint32_t node = 0;
  std::uint32_t generation = 0;  // of the node
  bool open_at_node = false;
  bool open_at_hub = false;
  time_point cut_until = 0;
  std::array<time_point, 2> last_arrival{};  // at the node, at the hub
};

struct client_node {
  std::unique_ptr<client> core;
  std::uint32_t generation = 0;
  std::size_t life = 0;  // index of its incarnation
  peer_id peer = 0;
  time_point ticks_at = never;
  int in_flight = 0;
};

enum class conduct : std::uint8_t { returns, throws, hangs, ignores_stop, crashes };

struct worker_node {
  std::unique_ptr<worker> core;
  std::uint32_t generation = 0;
  peer_id peer = 0;
  time_point ticks_at = never;
  bool running = false;
  attempt_key key;
  conduct does{};
  std::uint32_t run = 0;      // counts its runs
  std::uint32_t started = 0;  // the published level
  time_point since = 0;
  bool stopping = false;
};

struct parcel {
  peer_id peer = 0;
  bool to_hub = false;
  byte_buffer bytes;
};

enum class kind : std::uint8_t {
  parcel,
  hub_tick,
  client_tick,
  worker_tick,
  run_ends,       // a: worker, b: run
  cancels,        // a: incarnation, b: call number
  submits,        // a: client
  worker_starts,  // a: worker, b: start (0: by itself)
  start_fails,    // b: start
  hub_loses,      // a: peer, b: signal
  client_comes,   // a: client
  reconnects,     // a: node, b: 1 of a worker
  chaos,          // a: which
};

enum chaos_kind : std::uint32_t {
  partition,
  reconnect,
  worker_crash,
  client_crash,
  hub_restart,
  drain,
  chaos_kinds
};

struct happening {
  kind what{};
  std::uint32_t a = 0;
  std::uint32_t b = 0;
};

class world {
 public:
  world(profile const& how, options const& what) : how_(how), what_(what), random_(what.seed) {
    auto const longest = how_.straggle > 0 ? how_.longest_delay * 100 : how_.longest_delay;
    slack_ = 4 * longest + 2 * millisecond;
  }

  report run() {
    begin();
    while (!schedule_.empty() && seen_.violation.empty() && !at_rest()) {
      auto const next = schedule_.take();
      now_ = next.when;
      happen(next.what);
    }
    finish();
    seen_.simulated = now_;
    return seen_;
  }

 private:
  // --- the beginning and the end

  void begin() {
    clients_.resize(static_cast<std::size_t>(how_.clients));
    workers_.resize(static_cast<std::size_t>(how_.workers));
    make_hub();
    for (std::uint32_t i = 0; i < workers_.size() && !how_.launcher; ++i) start_worker(i, 0);
    for (std::uint32_t i = 0; i < clients_.size(); ++i) start_client(i);
    for (std::uint32_t i = 0; i < chaos_kinds; ++i) plan_chaos(i);
  }

  bool at_rest() {
    if (seen_.events < what_.events) return false;
    if (!stopping_) {
      stopping_ = true;
      rest_until_ = now_ + rest_limit;
    }
    if (now_ > rest_until_) return true;
    if (seen_.events > 16 * what_.events + 1'000'000) violated("the cores never come to rest");
    if (quiet_since_ == never) {
      if (open_calls_ == 0 && hub_->census().calls == 0) quiet_since_ = now_;
      return false;
    }
    return now_ > quiet_since_ + 30 * second;
  }

  void finish() {
    if (!seen_.violation.empty()) return;
    for (auto const& life : lives_) {
      for (auto const& one : life.records) {
        if (one.outcomes == 0 && !life.ended) return violated("a call never ended: " + describe(one));
      }
    }
    note_counters();
    auto const left = hub_->census();
    if (left.calls != 0 || left.queued != 0 || left.delayed != 0)
      return violated("the hub keeps calls that ended");
    if (left.attempts != 0) return violated("a slot of a worker is leaked");
    if (left.bytes != 0 || left.client_bytes != 0) return violated("credit is leaked");
    if (left.frames_held != 0) return violated("the hub keeps frames");
    std::size_t alive = 0;
    for (auto const& node : workers_) {
      if (node.core == nullptr) continue;
      ++alive;
      if (!node.core->idle() || node.core->frames_held() != 0) {
        return violated("a worker keeps work or frames: " + std::to_string(node.core->queued()) +
                        " queued, " + std::to_string(node.core->frames_held()) + " frames");
      }
    }
    if (left.workers != alive || left.idle_workers != alive)
      return violated("the hub has lost count of its workers");
    if (left.clients != clients_.size()) return violated("the hub has lost count of its clients");
    for (auto const& node : clients_) {
      if (node.core->frames_held() != 0 || node.core->calls_in_flight() != 0 ||
          node.core->bytes_in_flight() != 0) {
        return violated("a client keeps calls or frames");
      }
    }
  }

  std::string describe(record const& call) const {
    auto const left = hub_->census();
    return "attempt " + std::to_string(call.last_attempt) + ", " + std::to_string(call.starts) +
           " starts; the hub has " + std::to_string(left.calls) + " calls, " + std::to_string(left.queued) +
           " queued, " + std::to_string(left.delayed) + " delayed, " + std::to_string(left.attempts) +
           " attempts, " + std::to_string(left.workers) + " workers, " + std::to_string(left.idle_workers) +
           " idle";
  }

  void note_counters() {
    auto const& counters = hub_->counters();
    seen_.retries += counters.retries;
    seen_.requeued += counters.requeued;
    seen_.fenced += counters.fenced;
    seen_.workers_lost += counters.workers_lost;
  }

  void violated(std::string what) {
    if (seen_.violation.empty()) seen_.violation = std::move(what) + " (at " + std::to_string(now_) + " ns)";
  }

  // --- chance

  double chance() { return static_cast<double>(random_.next() >> 11) * 0x1p-53; }
  bool happens(double probability) { return probability > 0 && !stopping_ && chance() < probability; }
  duration between(duration low, duration high) {
    return low + static_cast<duration>(random_.below(static_cast<std::uint64_t>(high - low) + 1));
  }
  void note(std::uint64_t what) { seen_.digest = (seen_.digest ^ what) * 0x100000001b3; }

  // --- the network

  void plan(duration after, kind what, std::uint32_t a = 0, std::uint32_t b = 0) {
    schedule_.plan(now_, now_ + after, {what, a, b});
  }

  connection& link_of(peer_id peer) { return connections_[peer - 1]; }

  void post(out::send& send, bool to_hub) {
    auto& over = link_of(send.peer);
    auto const& message = send.message();
    ++seen_.frames;
    note(mix(static_cast<std::uint64_t>(message.head.type) << 56 ^ message.head.call.number,
             send.peer ^ message.head.attempt));
    if (how_.reliable) {
      auto const arrives = std::max(over.last_arrival[to_hub ? 1 : 0],
                                    now_ + between(how_.shortest_delay, how_.longest_delay));
      over.last_arrival[to_hub ? 1 : 0] = arrives;
      return transmit(message, send.peer, to_hub, arrives);
    }
    if (now_ < over.cut_until || happens(how_.drop)) {
      ++seen_.dropped;
      return;
    }
    transmit(message, send.peer, to_hub, now_ + delay());
    if (happens(how_.repeat)) {
      ++seen_.repeated;
      transmit(message, send.peer, to_hub, now_ + delay());
    }
  }

  duration delay() {
    auto const usual = between(how_.shortest_delay, how_.longest_delay);
    return happens(how_.straggle) ? usual * static_cast<duration>(1 + random_.below(100)) : usual;
  }

  void transmit(frame const& message, peer_id peer, bool to_hub, time_point arrives) {
    auto const index = take_parcel();
    auto& made = parcels_[index];
    made.peer = peer;
    made.to_hub = to_hub;
    made.bytes.clear();
    auto const wire = encode_header(message.head, message.metadata());
    made.bytes.append(wire.data(), wire.size());
    made.bytes.append(message.body.data(), message.body.size());
    if (happens(how_.flip)) {
      auto const at = random_.below(header_size + message.head.metadata_size);
      made.bytes.data()[at] ^= std::byte{1} << random_.below(8);
    }
    schedule_.plan(now_, arrives, {kind::parcel, index, 0});
  }

  std::uint32_t take_parcel() {
    if (free_parcels_.empty()) {
      parcels_.emplace_back();
      return static_cast<std::uint32_t>(parcels_.size() - 1);
    }
    auto const index = free_parcels_.back();
    free_parcels_.pop_back();
    return index;
  }

  void arrive(std::uint32_t index) {
    auto& come = parcels_[index];
    frame message;
    auto const fault = decode_header(come.bytes, message.head);
    auto const& over = link_of(come.peer);
    auto const open = come.to_hub ? over.open_at_hub : over.open_at_node;
    if (fault == frame_fault::none && open) {
      message.body.append(come.bytes.data() + header_size, come.bytes.size() - header_size);
      deliver(come.peer, over, come.to_hub, std::move(message));
    }
    free_parcels_.push_back(index);
  }

  void deliver(peer_id peer, connection const& over, bool to_hub, frame&& message) {
    if (to_hub) {
      observe_at_hub(message);
      hub_->receive(now_, peer, std::move(message), out_);
      after_hub();
    } else if (over.of_worker) {
      auto& node = workers_[over.node];
      if (node.generation != over.generation || node.core == nullptr) return;
      node.core->receive(now_, peer, std::move(message), out_);
      after_worker(over.node);
    } else {
      auto& node = clients_[over.node];
      if (node.generation != over.generation || node.core == nullptr) return;
      node.core->receive(now_, peer, std::move(message), out_);
      after_client(over.node);
    }
  }

  peer_id open_connection(bool of_worker, std::uint32_t node, std::uint32_t generation) {
    connection made;
    made.of_worker = of_worker;
    made.node = node;
    made.generation = generation;
    made.open_at_node = made.open_at_hub = true;
    connections_.push_back(made);
    return connections_.size();
  }

  // --- the hub

  void make_hub() {
    hub_config config;
    config.seed = random_.next();
    config.max_workers = how_.launcher ? workers_.size() : 0;
    config.idle_timeout = 20 * millisecond;
    config.backoff_first = 20 * millisecond;
    config.backoff_cap = 200 * millisecond;
    config.cancel_grace = 100 * millisecond;
    config.start_timeout = 1 * second;
    config.session_timeout = 2 * second;
    config.retry_tokens_per_second = 200;
    config.timing = timing();
    hub_ = std::make_unique<hub>(std::move(config), now_);
    hub_ticks_at_ = never;
  }

  static link_timing timing() {
    link_timing made;
    made.heartbeat = 100 * millisecond;
    made.ack_delay = 10 * millisecond;
    made.resend_after = 40 * millisecond;
    return made;
  }

  void after_hub() {
    ++seen_.events;
    auto taken = std::move(out_);
    for (auto& one : taken) {
      if (auto* const send = std::get_if<out::send>(&one)) {
        observe_from_hub(send->message());
        post(*send, false);
      } else if (auto* const start = std::get_if<out::start_worker>(&one)) {
        auto const slot = free_slot();
        auto const fails = slot == workers_.size() || happens(how_.start_fails);
        plan(between(100 * microsecond, 3 * millisecond), fails ? kind::start_fails : kind::worker_starts,
             slot, static_cast<std::uint32_t>(start->start));
      } else if (auto* const kill = std::get_if<out::kill_worker>(&one)) {
        killed(kill->peer);
      } else if (auto* const close = std::get_if<out::close>(&one)) {
        closed(close->peer);
      }
    }
    taken.clear();
    if (out_.empty()) out_ = std::move(taken);
    plan_tick(hub_->next_deadline(), hub_ticks_at_, kind::hub_tick, 0);
    if (hub_->counters().protocol_violations != 0) violated("the hub takes an honest peer for a violator");
  }

  void plan_tick(time_point due, time_point& planned, kind what, std::uint32_t node) {
    due = due == never ? never : std::max(due, now_ + 1);
    if (due >= planned) return;
    planned = due;
    schedule_.plan(now_, due, {what, node, 0});
  }

  void killed(peer_id peer) {
    auto const& over = link_of(peer);
    if (!over.of_worker || workers_[over.node].generation != over.generation) return;
    auto const& node = workers_[over.node];
    auto const stubborn = node.running && node.stopping && node.does == conduct::ignores_stop;
    if (node.core != nullptr && how_.reliable && !stubborn)
      violated("a worker is killed that did nothing wrong");
    end_worker(over.node, 9);
  }

  void closed(peer_id peer) {
    auto& over = link_of(peer);
    if (!over.open_at_hub) return;
    over.open_at_hub = false;
    auto const current = over.of_worker
                             ? workers_[over.node].core != nullptr && workers_[over.node].peer == peer
                             : clients_[over.node].core != nullptr && clients_[over.node].peer == peer;
    if (!current || !over.open_at_node) return;
    if (how_.reliable) return violated("the hub closed an honest connection");
    plan(between(microsecond, millisecond), kind::reconnects, over.node, over.of_worker ? 1 : 0);
  }

  // --- clients

  void start_client(std::uint32_t index) {
    auto& node = clients_[index];
    ++node.generation;
    node.in_flight = 0;
    node.life = lives_.size();
    node.ticks_at = never;
    lives_.emplace_back();
    client_config config;
    config.session = first_session + node.life;
    config.timing = timing();
    config.connect_timeout = 100 * second;
    node.core = std::make_unique<client>(std::move(config));
    connect_client(index);
  }

  void connect_client(std::uint32_t index) {
    auto& node = clients_[index];
    node.peer = open_connection(false, index, node.generation);
    hub_->connected(now_, node.peer, {how_.reliable, 0}, out_);
    after_hub();
    node.core->connected(now_, node.peer, how_.reliable, out_);
    after_client(index);
  }

  void after_client(std::uint32_t index) {
    ++seen_.events;
    auto& node = clients_[index];
    auto taken = std::move(out_);
    auto troubled = false;
    for (auto& one : taken) {
      if (auto* const send = std::get_if<out::send>(&one)) {
        post(*send, true);
      } else if (auto* const done = std::get_if<out::completed>(&one)) {
        troubled |= completed(node, *done);
      } else if (std::get_if<out::close>(&one) != nullptr) {
        violated("a client takes an honest hub for a violator");
      }
    }
    taken.clear();
    if (out_.empty()) out_ = std::move(taken);
    plan_tick(node.core->next_deadline(), node.ticks_at, kind::client_tick, index);
    if (node.core->protocol_violations() != 0) violated("a client takes an honest hub for a violator");
    if (stopping_ || node.in_flight >= how_.window) return;
    if (troubled) {
      plan(between(100 * microsecond, 2 * millisecond), kind::submits, index);
    } else if (node.core->ready()) {
      submit(index);
    }
  }

  void submit(std::uint32_t index) {
    auto& node = clients_[index];
    if (stopping_ || node.core == nullptr || node.in_flight >= how_.window) return;
    auto& records = lives_[node.life].records;
    auto& made = records.emplace_back();
    auto const number = records.size();
    call_spec spec;
    if (happens(how_.retries)) spec.policy.retries = static_cast<std::uint32_t>(1 + random_.below(3));
    if (happens(how_.idempotent)) spec.policy.idempotent = true;
    if (happens(how_.timeouts)) spec.policy.timeout = between(2 * millisecond, 200 * millisecond);
    if (happens(how_.deadlines)) spec.policy.deadline = between(200 * microsecond, 500 * millisecond);
    made.may_repeat = spec.policy.retries != 0 || spec.policy.idempotent;
    made.timeout = spec.policy.timeout;
    if (spec.policy.deadline != 0) made.deadline = now_ + spec.policy.deadline;
    auto const function = how_.functions == 1 ? 0 : random_.below(how_.functions);
    spec.function = function_names()[function];
    spec.signature = 7;
    auto& body = spec.message.body;
    spec.message.head.metadata_size = begin_call(body, spec.function, spec.policy);
    auto* const argument = body.extend(argument_size);
    store_le(argument, first_session + node.life);
    store_le(argument + 8, std::uint64_t{number});
    ++node.in_flight;
    ++open_calls_;
    ++seen_.calls;
    if (happens(how_.cancels)) {
      plan(between(0, 3 * millisecond), kind::cancels, static_cast<std::uint32_t>(node.life),
           static_cast<std::uint32_t>(number));
    }
    auto const id = node.core->submit(now_, std::move(spec), out_);
    if (id.number != number) violated("calls are not numbered one by one");
    after_client(index);
  }

  static std::vector<std::string> const& function_names() {
    static std::vector<std::string> const names = [] {
      std::vector<std::string> made;
      made.reserve(64);
      for (int i = 0; i < 64; ++i) made.push_back("simulated::function_" + std::to_string(i));
      return made;
    }();
    return names;
  }

  // True: the call failed, its client had better wait before it asks again.
  bool completed(client_node& node, out::completed const& done) {
    auto& life = lives_[node.life];
    if (done.call.session != first_session + node.life || done.call.number > life.records.size()) {
      violated("an outcome for no call");
      return true;
    }
    auto& call = life.records[done.call.number - 1];
    note(mix(done.call.number, done.result.ok() ? 1 : static_cast<std::uint64_t>(done.result.error().code)));
    if (++call.outcomes != 1) violated("a call has two outcomes");
    --node.in_flight;
    --open_calls_;
    if (call.deadline != never && now_ > call.deadline + 60 * millisecond)
      violated("an outcome long past the deadline");
    if (done.result.ok()) {
      ++seen_.values;
      check_value(done);
      return false;
    }
    ++seen_.failures;
    check_failure(call, done.result.error());
    return true;
  }

  void check_value(out::completed const& done) {
    auto const payload = done.result.value().payload();
    if (payload.size() != value_size ||
        load_le<std::uint64_t>(payload.data()) != mix(done.call.session, done.call.number)) {
      violated("a wrong value");
    }
  }

  void check_failure(record const& call, failure const& error) {
    auto const lossy = how_.worker_crash_every != 0 || how_.crashes > 0 || how_.ignores_stop > 0 ||
                       how_.partition_every != 0 || how_.hub_restart_every != 0;
    auto allowed = true;
    switch (error.code) {
      case errc::failed: allowed = how_.throws > 0; break;
      case errc::timed_out: allowed = call.timeout != 0; break;
      case errc::deadline_exceeded: allowed = call.deadline != never; break;
      case errc::cancelled: allowed = how_.cancels > 0; break;
      case errc::worker_lost: allowed = lossy; break;
      case errc::worker_start_failed: allowed = how_.start_fails > 0; break;
      case errc::disconnected: allowed = how_.hub_restart_every != 0 || how_.partition_every != 0; break;
      default: allowed = false;
    }
    if (!allowed)
      violated("a call failed for no reason: " + std::string(to_string(error.code)) + ": " + error.message);
  }

  void end_client(std::uint32_t index) {
    auto& node = clients_[index];
    if (node.core == nullptr) return;
    open_calls_ -= node.in_flight;
    seen_.abandoned += static_cast<std::uint64_t>(node.in_flight);
    lives_[node.life].ended = true;
    disconnect(node.peer, 0);
    node.core.reset();
    ++node.generation;
    node.peer = 0;
    plan(between(millisecond, 50 * millisecond), kind::client_comes, index);
  }

  // The node's end is gone. The hub hears of it on reliable connections, after all that was sent before.
  void disconnect(peer_id peer, std::uint32_t signal) {
    auto& over = link_of(peer);
    over.open_at_node = false;
    if (!how_.reliable && signal == 0) return;
    auto const when = std::max(over.last_arrival[1], now_ + how_.longest_delay);
    if (how_.reliable)
      schedule_.plan(now_, when, {kind::hub_loses, static_cast<std::uint32_t>(peer), signal});
  }

  // --- workers

  std::uint32_t free_slot() {
    for (std::uint32_t i = 0; i < workers_.size(); ++i) {
      if (workers_[i].core != nullptr || reserved_.contains_slot(i)) continue;
      reserved_.slots.push_back(i);
      return i;
    }
    return static_cast<std::uint32_t>(workers_.size());
  }

  void start_worker(std::uint32_t index, std::uint32_t start) {
    reserved_.release(index);
    auto& node = workers_[index];
    if (node.core != nullptr) return;
    auto const generation = node.generation + 1;
    node = {};
    node.generation = generation;
    worker_config config;
    config.session = first_worker_session + ++worker_sessions_;
    config.timing = timing();
    config.name = "w" + std::to_string(index);
    config.hub_timeout = 1'000 * second;
    config.cancel_grace = 100 * millisecond;
    for (std::size_t i = 0; i < how_.functions; ++i) config.functions.push_back({function_names()[i], 7, ""});
    node.core = std::make_unique<worker>(std::move(config), now_);
    connect_worker(index, start);
  }

  void connect_worker(std::uint32_t index, std::uint32_t start) {
    auto& node = workers_[index];
    node.peer = open_connection(true, index, node.generation);
    hub_->connected(now_, node.peer, {how_.reliable, start}, out_);
    after_hub();
    node.core->connected(now_, node.peer, how_.reliable, out_);
    after_worker(index);
  }

  void after_worker(std::uint32_t index) {
    ++seen_.events;
    auto& node = workers_[index];
    auto taken = std::move(out_);
    auto exits = false;
    for (auto& one : taken) {
      if (auto* const send = std::get_if<out::send>(&one)) {
        post(*send, true);
      } else if (auto* const run = std::get_if<out::run>(&one)) {
        begin_run(index, *run);
      } else if (auto* const stop = std::get_if<out::stop_requested>(&one)) {
        stop_run(index, stop->key);
      } else if (std::get_if<out::exit>(&one) != nullptr) {
        exits = true;
      } else if (std::get_if<out::close>(&one) != nullptr) {
        violated("a worker takes an honest hub for a violator");
      }
    }
    taken.clear();
    if (out_.empty()) out_ = std::move(taken);
    if (node.core->protocol_violations() != 0) violated("a worker takes an honest hub for a violator");
    if (exits) return end_worker(index, 0);
    plan_tick(node.core->next_deadline(), node.ticks_at, kind::worker_tick, index);
  }

  void begin_run(std::uint32_t index, out::run const& run) {
    auto& node = workers_[index];
    if (node.running) violated("a worker runs two attempts at once");
    observe_run(run);
    node.running = true;
    node.stopping = false;
    node.key = run.key;
    node.started = run.sequence;
    node.since = now_;
    node.does = draw_conduct();
    ++node.run;
    ++seen_.starts;
    auto lasts = happens(how_.long_runs) ? between(3 * millisecond, 100 * millisecond)
                                         : between(microsecond, 40 * microsecond);
    if (node.does == conduct::hangs) lasts = 5 * second;
    if (node.does == conduct::ignores_stop) lasts = 60 * second;
    plan(lasts, kind::run_ends, index, node.run);
  }

  conduct draw_conduct() {
    if (happens(how_.throws)) return conduct::throws;
    if (happens(how_.hangs)) return conduct::hangs;
    if (happens(how_.ignores_stop)) return conduct::ignores_stop;
    if (happens(how_.crashes)) return conduct::crashes;
    return conduct::returns;
  }

  void stop_run(std::uint32_t index, attempt_key const& key) {
    auto& node = workers_[index];
    if (!node.running || !(node.key == key)) return violated("a stop request for what does not run");
    node.stopping = true;
    if (node.does == conduct::hangs) plan(between(0, millisecond), kind::run_ends, index, node.run);
  }

  void end_run(std::uint32_t index, std::uint32_t run) {
    auto& node = workers_[index];
    if (node.core == nullptr || !node.running || node.run != run) return;
    if (node.does == conduct::crashes) return end_worker(index, 11);
    if (node.does == conduct::ignores_stop && node.stopping) return;  // it goes on until it is killed
    node.running = false;
    check_timeout(node);
    if (node.does == conduct::throws || (node.stopping && node.does == conduct::hangs)) {
      failure error;
      error.code = errc::failed;
      error.message = "simulated";
      error.type_name = "simulated::error";
      if (node.does == conduct::hangs) error.code = errc::cancelled;
      node.core->finished(now_, node.key, std::move(error), out_);
    } else {
      frame value;
      auto* const to = value.body.extend(value_size);
      store_le(to, mix(node.key.call.session, node.key.call.number));
      store_le(to + 8, node.key.attempt);
      store_le(to + 12, node.key.epoch);
      node.core->finished(now_, node.key, std::move(value), out_);
    }
    after_worker(index);
  }

  void end_worker(std::uint32_t index, std::uint32_t signal) {
    auto& node = workers_[index];
    if (node.core == nullptr) return;
    lost_levels_.push_back({node.peer, node.started});
    disconnect(node.peer, signal);
    node.core.reset();
    ++node.generation;
    node.running = false;
    if (!how_.launcher) plan(between(millisecond, 30 * millisecond), kind::worker_starts, index, 0);
  }

  // --- what is observed

  record* find(call_id id) {
    if (id.session < first_session || id.session - first_session >= lives_.size()) return nullptr;
    auto& records = lives_[id.session - first_session].records;
    return id.number == 0 || id.number > records.size() ? nullptr : &records[id.number - 1];
  }

  void observe_run(out::run const& run) {
    auto* const call = find(run.key.call);
    if (call == nullptr) return violated("a run of no call");
    if (++call->starts > 1 && !call->may_repeat)
      violated("a call that must be started once is started again");
    if (call->cancelled_in_queue) violated("a call is started that was cancelled while it was queued");
    if (call->deadline != never && now_ > call->deadline + slack_) violated("an expired call is started");
    auto const payload = run.message.payload();
    if (payload.size() != argument_size ||
        load_le<std::uint64_t>(payload.data() + 8) != run.key.call.number) {
      violated("a run with another call's arguments");
    }
  }

  void observe_at_hub(frame const& message) {
    if (message.head.type != frame_type::cancel || !how_.reliable) return;
    auto* const call = find(message.head.call);
    if (call != nullptr && call->last_attempt == 0) call->cancelled_in_queue = true;
  }

  void observe_from_hub(frame const& message) {
    auto const& head = message.head;
    if (head.type == frame_type::assign) {
      auto* const call = find(head.call);
      if (call == nullptr) return violated("an assignment of no call");
      if (!how_.reliable && is_repetition(head)) return;
      call->last_attempt = head.attempt;
      call->last_epoch = head.epoch;
    } else if (head.type == frame_type::result) {
      auto const payload = message.payload();
      auto const* const call = find(head.call);
      if (call == nullptr || payload.size() != value_size) return violated("a result of no call");
      auto const attempt = load_le<std::uint32_t>(payload.data() + 8);
      auto const epoch = load_le<std::uint32_t>(payload.data() + 12);
      if (!restarted_ && (attempt != call->last_attempt || epoch != call->last_epoch)) {
        violated("a fenced attempt's value is taken: attempt " + std::to_string(attempt) + " of epoch " +
                 std::to_string(epoch) + ", not " + std::to_string(call->last_attempt) + " of " +
                 std::to_string(call->last_epoch));
      }
    }
  }

  bool is_repetition(header const& assign) {
    auto& level = assigned_levels_[assign.epoch];
    if (assign.sequence <= level) return true;
    level = assign.sequence;
    return false;
  }

  void check_timeout(worker_node const& node) {
    auto const* const call = find(node.key.call);
    if (call == nullptr || call->timeout == 0 || !how_.reliable || node.stopping) return;
    if (now_ - node.since > call->timeout + slack_ + millisecond) violated("an attempt outlasts its timeout");
  }

  // --- what happens

  void happen(happening const& what) {
    note(mix(static_cast<std::uint64_t>(now_), static_cast<std::uint64_t>(what.what) << 32 ^ what.b));
    switch (what.what) {
      case kind::parcel: return arrive(what.a);
      case kind::hub_tick: return tick_hub();
      case kind::client_tick: return tick_client(what.a);
      case kind::worker_tick: return tick_worker(what.a);
      case kind::run_ends: return end_run(what.a, what.b);
      case kind::cancels: return cancel(what.a, what.b);
      case kind::submits: return resume_client(what.a);
      case kind::worker_starts: return start_worker(what.a, what.b);
      case kind::start_fails: return fail_start(what.a, what.b);
      case kind::hub_loses: return lose_at_hub(what.a, what.b);
      case kind::client_comes: return start_client(what.a);
      case kind::reconnects: return reconnect_node(what.a, what.b != 0);
      case kind::chaos: return wreak(what.a);
    }
  }

  void tick_hub() {
    if (hub_ticks_at_ > now_) return;
    hub_ticks_at_ = never;
    hub_->tick(now_, out_);
    after_hub();
  }

  void tick_client(std::uint32_t index) {
    auto& node = clients_[index];
    if (node.core == nullptr || node.ticks_at > now_) return;
    node.ticks_at = never;
    node.core->tick(now_, out_);
    after_client(index);
  }

  void tick_worker(std::uint32_t index) {
    auto& node = workers_[index];
    if (node.core == nullptr || node.ticks_at > now_) return;
    node.ticks_at = never;
    node.core->tick(now_, out_);
    after_worker(index);
  }

  void resume_client(std::uint32_t index) {
    if (clients_[index].core != nullptr && clients_[index].core->ready()) submit(index);
  }

  void cancel(std::uint32_t life, std::uint32_t number) {
    for (std::uint32_t i = 0; i < clients_.size(); ++i) {
      auto& node = clients_[i];
      if (node.core == nullptr || node.life != life) continue;
      node.core->cancel(now_, {first_session + life, number}, out_);
      return after_client(i);
    }
  }

  void fail_start(std::uint32_t slot, std::uint32_t start) {
    reserved_.release(slot);
    hub_->worker_start_failed(now_, start, "simulated: no such program", {}, out_);
    after_hub();
  }

  void lose_at_hub(std::uint32_t peer, std::uint32_t signal) {
    auto& over = link_of(peer);
    over.open_at_hub = false;
    peer_loss loss;
    loss.signal = static_cast<int>(signal);
    loss.reason = "ended";
    auto const known = std::find_if(lost_levels_.begin(), lost_levels_.end(),
                                    [&](auto const& one) { return one.peer == peer; });
    if (known != lost_levels_.end()) {
      if (random_.below(5) != 0) loss.started = known->started;
      lost_levels_.erase(known);
    }
    hub_->lost(now_, peer, loss, out_);
    after_hub();
  }

  // --- misfortune

  duration period(std::uint32_t which) const {
    switch (which) {
      case partition: return how_.partition_every;
      case reconnect: return how_.reconnect_every;
      case worker_crash: return how_.worker_crash_every;
      case client_crash: return how_.client_crash_every;
      case hub_restart: return how_.hub_restart_every;
      default: return how_.drain_every;
    }
  }

  void plan_chaos(std::uint32_t which) {
    if (period(which) != 0) plan(between(1, 2 * period(which)), kind::chaos, which);
  }

  void wreak(std::uint32_t which) {
    if (stopping_) return;
    auto const worker_index = static_cast<std::uint32_t>(random_.below(workers_.size()));
    auto const client_index = static_cast<std::uint32_t>(random_.below(clients_.size()));
    auto const of_worker = random_.below(2) != 0;
    switch (which) {
      case partition: cut(of_worker ? workers_[worker_index].peer : clients_[client_index].peer); break;
      case reconnect: reconnect_node(of_worker ? worker_index : client_index, of_worker); break;
      case worker_crash: end_worker(worker_index, 11); break;
      case client_crash: end_client(client_index); break;
      case hub_restart: restart_hub(); break;
      default: drain_worker(worker_index);
    }
    plan_chaos(which);
  }

  void cut(peer_id peer) {
    if (peer != 0)
      link_of(peer).cut_until =
          now_ + between(millisecond, random_.below(3) == 0 ? 2 * second : 100 * millisecond);
  }

  // The connection is made anew; what was under way may still come, the hub may or may not hear of the old
  // one's end.
  void reconnect_node(std::uint32_t index, bool of_worker) {
    auto const peer = of_worker ? workers_[index].peer : clients_[index].peer;
    auto const there = of_worker ? workers_[index].core != nullptr : clients_[index].core != nullptr;
    if (!there || how_.reliable) return;
    link_of(peer).open_at_node = false;
    if (random_.below(2) == 0 && link_of(peer).open_at_hub) {
      link_of(peer).open_at_hub = false;
      hub_->lost(now_, peer, {}, out_);
      after_hub();
    }
    if (of_worker) {
      auto& node = workers_[index];
      node.core->lost(now_, peer, false, errc::disconnected, "simulated", out_);
      after_worker(index);
      if (node.core != nullptr) connect_worker(index, 0);
    } else {
      clients_[index].core->lost(now_, peer, false, errc::disconnected, "simulated", out_);
      after_client(index);
      connect_client(index);
    }
  }

  void restart_hub() {
    note_counters();
    restarted_ = true;
    make_hub();
    for (auto& over : connections_) over.open_at_hub = false;
    auto const accept = [&](peer_id peer) {
      link_of(peer).open_at_hub = true;
      hub_->connected(now_, peer, {how_.reliable, 0}, out_);
      after_hub();
    };
    for (auto const& node : clients_) {
      if (node.core != nullptr) accept(node.peer);
    }
    for (auto const& node : workers_) {
      if (node.core != nullptr) accept(node.peer);
    }
  }

  void drain_worker(std::uint32_t index) {
    if (workers_[index].core == nullptr) return;
    workers_[index].core->drain(now_, out_);
    after_worker(index);
  }

  struct lost_level {
    peer_id peer = 0;
    std::uint32_t started = 0;
  };
  struct slot_reservations {
    std::vector<std::uint32_t> slots;
    bool contains_slot(std::uint32_t slot) const {
      return std::find(slots.begin(), slots.end(), slot) != slots.end();
    }
    void release(std::uint32_t slot) { std::erase(slots, slot); }
  };

  profile const& how_;
  options const& what_;
  random_source random_;
  report seen_;
  time_point now_ = second;
  duration slack_ = 0;
  bool stopping_ = false;
  bool restarted_ = false;
  time_point rest_until_ = never;
  time_point quiet_since_ = never;
  std::int64_t open_calls_ = 0;

  schedule<happening> schedule_;
  outputs out_;
  std::unique_ptr<hub> hub_;
  time_point hub_ticks_at_ = never;
  std::vector<client_node> clients_;
  std::vector<worker_node> workers_;
  std::vector<incarnation> lives_;
  std::uint64_t worker_sessions_ = 0;
  slot_reservations reserved_;
  std::vector<lost_level> lost_levels_;
  std::unordered_map<std::uint32_t, std::uint32_t> assigned_levels_;  // by worker epoch, the highest sequence
  std::vector<connection> connections_;
  std::deque<parcel> parcels_;
  std::vector<std::uint32_t> free_parcels_;
};

std::vector<profile> make_profiles() {
  profile fast;
  fast.name = "fast";
  fast.shortest_delay = fast.longest_delay = 10 * microsecond;

  profile local;
  local.name = "local";
  local.launcher = true;
  local.functions = 3;
  local.worker_crash_every = 20 * millisecond;
  local.client_crash_every = 60 * millisecond;
  local.drain_every = 40 * millisecond;
  local.start_fails = 0.05;
  local.throws = 0.01;
  local.hangs = 0.002;
  local.ignores_stop = 0.002;
  local.crashes = 0.001;
  local.long_runs = 0.005;
  local.cancels = 0.03;
  local.deadlines = 0.1;
  local.timeouts = 0.1;
  local.retries = 0.2;
  local.idempotent = 0.1;

  profile drains;
  drains.name = "drains";
  drains.functions = 2;
  drains.drain_every = 5 * millisecond;
  drains.long_runs = 0.01;
  drains.cancels = 0.02;

  profile lossy = local;
  lossy.name = "lossy";
  lossy.reliable = false;
  lossy.launcher = false;
  lossy.window = 32;
  lossy.drop = 0.02;
  lossy.repeat = 0.02;
  lossy.flip = 0.002;
  lossy.worker_crash_every = 200 * millisecond;
  lossy.client_crash_every = 300 * millisecond;
  lossy.drain_every = 200 * millisecond;
  lossy.reconnect_every = 50 * millisecond;
  lossy.partition_every = 300 * millisecond;

  profile wild = lossy;
  wild.name = "wild";
  wild.drop = 0.1;
  wild.repeat = 0.1;
  wild.straggle = 0.05;
  wild.longest_delay = 2 * millisecond;
  wild.hub_restart_every = 2 * second;

  return {fast, local, drains, lossy, wild};
}

}  // namespace

std::vector<profile> const& profiles() {
  static auto const made = make_profiles();
  return made;
}

profile const& profile_named(std::string const& name) {
  for (auto const& one : profiles()) {
    if (one.name == name) return one;
  }
  throw std::invalid_argument("no profile is named \"" + name + "\"");
}

report simulate(profile const& how, options const& what) { return world(how, what).run(); }

}  // namespace yonder::core::simulation
