// SPDX-License-Identifier: Apache-2.0
#include "src/core/check.hpp"
#include "src/core/metadata.hpp"
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {

report world::run() {
  auto const drawn = mix(what_.seed, how_.name.size() * 256 + static_cast<unsigned char>(how_.name[0]));
  rare = {.one_in = drawn % 2 == 0 ? 0 : std::uint64_t{1} << (3 + drawn / 2 % 8), .state = what_.seed};
  if (rare.one_in != 0) reach(state::chose_rarely);
  marks.reset();
  try {
    begin();
    while (!schedule_.empty() && seen_.violation.empty() && !at_rest()) {
      auto const next = schedule_.take();
      now_ = next.when;
      happen(next.what);
    }
    finish();
  } catch (broken_invariant const& error) {
    violated(error.what());
  }
  rare = {};
  seen_.marks = marks;
  seen_.simulated = now_;
  return seen_;
}

// --- the beginning and the end

void world::begin() {
  // With room for those that are about to end.
  auto most = static_cast<std::size_t>(how_.pools == 1 ? how_.workers : 2 * how_.workers * how_.pools);
  most *= static_cast<std::size_t>(1 + 2 * how_.services);
  if (how_.needs != 0) most *= 2 * kinds_of_needs();
  if (how_.allocation != 0) most *= 3;
  for (std::uint32_t i = 0; how_.services != 0 && i <= static_cast<std::uint32_t>(how_.services); ++i)
    requirements_.push_back(requirements_of(i));
  if (how_.nests > 0 && how_.launcher) most *= waiting_for_each;
  workers_.resize(most + (how_.foreign_worker ? 1 : 0));
  clients_.resize(static_cast<std::size_t>(how_.clients) + (how_.nests > 0 ? workers_.size() : 0));
  for (auto i = static_cast<std::uint32_t>(how_.clients); i < clients_.size(); ++i)
    clients_[i].worker = i - static_cast<std::uint32_t>(how_.clients);
  client_stillness_.resize(clients_.size());
  worker_stillness_.resize(workers_.size());
  always_taken_ = how_.allocation == 0 && how_.reliable && how_.pools == 1 && !how_.foreign_worker &&
                  how_.nests + how_.needs == 0 && how_.services == 0;
  auto const lossy = how_.drop + how_.flip + how_.straggle + how_.narrow + how_.send_throws > 0;
  auto const troubled = lossy || how_.ignores_stop > 0 ||
                        how_.stop_every + how_.partition_every + how_.reconnect_every != 0 ||
                        how_.hub_restart_every + how_.hub_upgrade_every + how_.allocation != 0;
  all_honest_ = !troubled && !how_.launcher && !how_.batched && how_.services == 0;
  make_hub();
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    if (!how_.launcher || is_foreign(i)) start_worker(i, 0);
  }
  for (std::uint32_t i = 0; i < static_cast<std::uint32_t>(how_.clients); ++i) start_client(i);
  for (std::uint32_t i = 0; i < chaos_kinds; ++i) plan_chaos(i);
}

bool world::at_rest() {
  // Where clients have made all their calls, nothing may be left to step.
  if (seen_.events < what_.events && ++happenings_ < 8 * what_.events + 100'000) return false;
  if (!stopping_) {
    stopping_ = true;
    check_retries();
    abandon_part();
    abandon_pool();
    rest_until_ = now_ + rest_limit;
  }
  if (now_ > rest_until_) return true;
  if (seen_.events > 16 * what_.events + 1'000'000) violated("the cores never come to rest");
  if (quiet_since_ == never) {
    if (open_calls_ == abandoned_calls() && hub_->census().calls == 0) quiet_since_ = now_;
    return false;
  }
  return now_ > quiet_since_ + 30 * second;
}

// The world heals, but half of the time only in part: some nodes are cut off for ever, and the others must
// end what they have begun.
void world::abandon_part() {
  if (how_.reliable || how_.partition_every == 0 || random_.below(2) == 0) return;
  for (std::size_t i = 1; i < workers_.size(); ++i) workers_[i].abandoned = random_.below(2) == 0;
  for (std::size_t i = 1; i < clients_.size(); ++i) clients_[i].abandoned = random_.below(2) == 0;
  for (auto& over : connections_)
    if (over.of_worker ? workers_[over.node].abandoned : clients_[over.node].abandoned)
      over.cut_until = cut_of_abandoned(over.node);
  reach(state::part_abandoned);
}

// No worker of one pool can be started any more: what only its workers could run ends, and the others go on.
void world::abandon_pool() {
  if (how_.pools == 1 || random_.below(2) == 0) return;
  barren_ = static_cast<std::uint32_t>(random_.below(static_cast<std::uint64_t>(how_.pools)));
  reach(state::pool_barren);
}

std::int64_t world::abandoned_calls() const {
  std::int64_t calls = 0;
  for (auto const& node : clients_)
    if (node.abandoned && node.core != nullptr) calls += node.in_flight;
  return calls;
}

// Retries make no outage worse: only so many are made in a time.
void world::check_retries() {
  auto const counters = hub_->counters();
  auto const seconds = static_cast<double>(now_ - hub_since_) / second;
  auto const most = 100 + 0.1 * static_cast<double>(counters.calls) + retries_per_second * seconds;
  if (static_cast<double>(counters.retries) > most + 1) violated("more is tried again than there are tokens");
}

void world::note_counters() {
  auto const counters = hub_->counters();
  seen_.retries += counters.retries;
  seen_.requeued += counters.requeued;
  seen_.fenced += counters.fenced;
  seen_.workers_lost += counters.workers_lost;
}

void world::violated(std::string what) {
  if (seen_.violation.empty()) seen_.violation = std::move(what) + " (at " + std::to_string(now_) + " ns)";
}

// --- what happens

// What happens to a node that stands still happens to it when it goes on.
void world::happen(happening const& what) {
  if (how_.stop_every != 0) {
    if (auto* const one = who_is_still(what)) return one->put_off.push_back(what);
  }
  do_happen(what);
}

void world::do_happen(happening const& what) {
  note(static_cast<std::uint64_t>(now_), static_cast<std::uint64_t>(what.what) << 32 ^ what.b);
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
    case kind::chaos: return inject_fault(what.a);
    case kind::turn: return turn(what.a, static_cast<role>(what.b));
    case kind::link_breaks: return break_link(what.a);
    case kind::comes_back: return come_back(what.a);
    case kind::worker_reads: return read(what.a, what.b);
    case kind::worker_watches: return watch(what.a, what.b);
    case kind::syncs: return sync(what.a, what.b);
    case kind::reads: return read_back(what.a, what.b);
    case kind::goes_on: return go_on(what.a, static_cast<role>(what.b));
    case kind::task_wakes: return wake(what.a, what.b);
    case kind::task_streams: return stream_on(what.a, what.b);
    case kind::task_reports: return report_from(what.a, what.b);
    case kind::caller_streams: return caller_streams(what.a, what.b);
    case kind::told_of_end: return tell_of_end(what.a, what.b);
    case kind::allocation_ends: return end_allocation(what.a, what.b);
    case kind::hub_drained: return end_drained_hub(what.a);
  }
}

void world::tick_hub() {
  if (hub_ticks_at_ > now_) return;
  hub_ticks_at_ = never;
  hub_->tick(now_, out_);
  after_hub();
}

void world::tick_client(std::uint32_t index) {
  auto& node = clients_[index];
  if (node.core == nullptr || node.ticks_at > now_) return;
  node.ticks_at = never;
  node.core->tick(now_, out_);
  after_client(index);
}

void world::tick_worker(std::uint32_t index) {
  auto& node = workers_[index];
  if (node.core == nullptr || node.ticks_at > now_) return;
  node.ticks_at = never;
  if (how_.drivers && !node.listens()) return;  // nobody looks
  auto const waited = node.core->queued();
  node.core->tick(now_, out_);
  if (waited != 0) check_handed_back(node, waited);
  after_worker(index);
}

void world::resume_client(std::uint32_t index) {
  if (clients_[index].core != nullptr && clients_[index].core->ready()) submit(index);
}

void world::cancel(std::uint32_t life, std::uint32_t number) {
  for (std::uint32_t i = 0; i < clients_.size(); ++i) {
    auto& node = clients_[i];
    if (node.core == nullptr || node.life != life) continue;
    auto const rest = lives_[life].records[number - 1].rest;
    auto const count =
        rest == 1 || random_.below(2) == 0 ? 1 : 1 + static_cast<std::uint32_t>(random_.below(rest));
    for (auto at = number - 1; at < number - 1 + count; ++at) {
      auto& one = lives_[life].records[at];
      one.cancel_said = true;
      if (auto* const wanted = one.wanted.session != 0 ? find(one.wanted) : nullptr)
        wanted->cancel_said = true;
    }
    node.core->cancel(now_, {first_session + life, number}, count, out_);
    return after_client(i);
  }
}

void world::fail_start(std::uint32_t slot, std::uint32_t start) {
  reach(state::start_failed);
  pool_of_start_.erase(start);
  reserved_.release(slot);
  hub_->worker_start_failed(now_, start, "simulated: no such program", {}, out_);
  after_hub();
}

void world::lose_at_hub(std::uint32_t peer, std::uint32_t signal) {
  auto& over = link_of(peer);
  over.open_at_hub = false;
  if (!over.of_worker) lives_[over.life].gone_at_hub = now_;
  peer_loss loss;
  loss.signal = static_cast<int>(signal);
  loss.reason = "ended";
  auto const known = std::find_if(lost_levels_.begin(), lost_levels_.end(),
                                  [&](auto const& one) { return one.peer == peer; });
  if (known != lost_levels_.end()) {
    if (random_.below(5) != 0) {
      loss.started = known->started;
      if (auto* const call = find(known->crashed); call != nullptr && !restarted_) ++call->kills;
    }
    note_suspects(known->together);
    for (auto const& key : known->given)
      if (auto* const call = find(key.call)) note_attempt_over(*call, key.attempt);
    lost_levels_.erase(known);
  }
  turns_.lost(peer);
  hub_->lost(now_, peer, loss, out_);
  after_hub();
}

// --- misfortune

duration world::period(std::uint32_t which) const {
  switch (which) {
    case partition: return how_.partition_every;
    case reconnect: return how_.reconnect_every;
    case worker_crash: return how_.worker_crash_every;
    case client_crash: return how_.client_crash_every;
    case imposture: return how_.imposture_every;
    case lies: return how_.lies_every;
    case stoppage: return how_.stop_every;
    case hub_restart: return how_.hub_restart_every;
    case hub_upgrade: return how_.hub_upgrade_every;
    default: return how_.drain_every;
  }
}

void world::plan_chaos(std::uint32_t which) {
  if (period(which) != 0) plan(between(1, 2 * period(which)), kind::chaos, which);
}

void world::inject_fault(std::uint32_t which) {
  if (stopping_) return;
  auto const worker_index = static_cast<std::uint32_t>(random_.below(workers_.size()));
  auto const client_index =
      static_cast<std::uint32_t>(random_.below(static_cast<std::uint64_t>(how_.clients)));
  auto const of_worker = random_.below(2) != 0;
  // What a process does, it does not do while it stands still.
  auto const worker_stands = still(worker_index, role::worker) != nullptr;
  auto const node_stands = of_worker ? worker_stands : still(client_index, role::client) != nullptr;
  auto const hub_stands = still(0, role::hub) != nullptr;
  auto const of_hub = which == imposture || which == lies || which == hub_restart || which == reconnect ||
                      which == hub_upgrade;
  if ((of_hub && hub_stands) || (which == reconnect && node_stands) || (which == drain && worker_stands))
    return plan_chaos(which);
  switch (which) {
    case partition: cut(of_worker ? workers_[worker_index].peer : clients_[client_index].peer); break;
    case reconnect: reconnect_node(of_worker ? worker_index : client_index, of_worker); break;
    case worker_crash: end_worker(worker_index, 11); break;
    case client_crash: end_client(client_index); break;
    case imposture: pose_as(client_index); break;
    case lies: lie(); break;
    case stoppage: stop_somebody(); break;
    case hub_restart: restart_hub(); break;
    case hub_upgrade:
      hub_->drain(now_, how_.hub_drain == 0 ? longest_drain : how_.hub_drain, out_);
      after_hub();
      break;
    default: drain_worker(worker_index);
  }
  plan_chaos(which);
}

void world::cut(peer_id peer) {
  if (peer == 0) return;
  auto const until = now_ + between(millisecond, random_.below(3) == 0 ? 2 * second : 100 * millisecond);
  auto const dead = random_.below(4);  // half of the time one direction only
  if (dead >= 2) reach(state::half_open);
  if (dead != 2) link_of(peer).cut_until[0] = until;
  if (dead != 3) link_of(peer).cut_until[1] = until;
}

// --- nodes that stand still

stillness& world::stillness_of(std::uint32_t index, role of) {
  switch (of) {
    case role::hub: return hub_stillness_;
    case role::client: return client_stillness_[index];
    default: return worker_stillness_[index];
  }
}

// Either end.
stillness* world::still_at(peer_id peer) {
  if (hub_stillness_.still) return &hub_stillness_;
  auto const& over = link_of(peer);
  return still(over.node, over.of_worker ? role::worker : role::client);
}

stillness* world::who_is_still(happening const& what) {
  auto const of_hub = [&](auto index, role of) {
    return hub_stillness_.still ? &hub_stillness_ : still(index, of);
  };
  switch (what.what) {
    case kind::parcel: {
      auto const& come = *parcels_[what.a];
      auto const& over = link_of(come.sent.peer);
      if (come.to_hub) return still(0, role::hub);
      return still(over.node, over.of_worker ? role::worker : role::client);
    }
    case kind::hub_tick:
    case kind::hub_loses:
    case kind::start_fails:
    case kind::syncs:
    case kind::hub_drained:
    case kind::reads: return still(0, role::hub);
    case kind::client_tick:
    case kind::submits: return still(what.a, role::client);
    case kind::cancels:
    case kind::caller_streams:
      for (std::uint32_t i = 0; i < clients_.size(); ++i)
        if (clients_[i].core != nullptr && clients_[i].life == what.a) return still(i, role::client);
      return nullptr;
    case kind::worker_tick:
    case kind::run_ends:
    case kind::worker_reads:
    case kind::task_wakes:
    case kind::task_streams:
    case kind::task_reports:
    case kind::told_of_end:
    case kind::worker_watches: return still(what.a, role::worker);
    case kind::worker_starts: return of_hub(what.a, role::worker);
    case kind::client_comes:
    case kind::comes_back: return of_hub(what.a, role::client);
    case kind::reconnects: return of_hub(what.a, what.b != 0 ? role::worker : role::client);
    case kind::turn: return still(what.a, static_cast<role>(what.b));
    case kind::link_breaks: return still_at(what.a);
    case kind::chaos:
    case kind::allocation_ends:
    case kind::goes_on: return nullptr;
  }
  return nullptr;
}

void world::stop_somebody() {
  auto const of = static_cast<role>(random_.below(3));
  auto const nodes = of == role::hub      ? 1
                     : of == role::client ? static_cast<std::size_t>(how_.clients)
                                          : workers_.size();
  auto const index = static_cast<std::uint32_t>(random_.below(nodes));
  auto const longest = of == role::hub ? how_.longest_hub_stop : how_.longest_stop;
  auto& one = stillness_of(index, of);
  if (one.still || longest == 0) return;
  one.still = true;
  one.since = now_;
  plan(between(millisecond, longest), kind::goes_on, index, static_cast<std::uint32_t>(of));
}

// It finds what has come, in order; or that timers are due, before it has read any of it.
void world::go_on(std::uint32_t index, role of) {
  reach(of == role::hub      ? state::hub_stopped
        : of == role::client ? state::client_stopped
                             : state::worker_stopped);
  auto& one = stillness_of(index, of);
  one.still = false;
  one.went_on = now_;
  if (of == role::hub)
    for (auto& known : epoch_records_)
      if (known.heard != never) known.heard += now_ - one.since;
  auto missed = std::exchange(one.put_off, {});
  auto const is_timer = [](happening const& what) {
    return what.what == kind::hub_tick || what.what == kind::client_tick || what.what == kind::worker_tick;
  };
  if (random_.below(2) == 0) std::stable_partition(missed.begin(), missed.end(), is_timer);
  for (auto const& what : missed) happen(what);
}

// The connection is made anew; what was under way may still come, the hub may or may not hear of the old
// one's end.
void world::reconnect_node(std::uint32_t index, bool of_worker) {
  auto const peer = of_worker ? workers_[index].peer : clients_[index].peer;
  auto const there = of_worker ? workers_[index].core != nullptr : clients_[index].core != nullptr;
  if (!there || how_.reliable) return;
  link_of(peer).open_at_node = false;
  if (random_.below(2) == 0 && link_of(peer).open_at_hub) {
    link_of(peer).open_at_hub = false;
    turns_.lost(peer);
    hub_->lost(now_, peer, {}, out_);
    after_hub();
  }
  if (of_worker) {
    auto& node = workers_[index];
    close_row(index);
    node.core->lost(now_, peer, false, errc::disconnected, "simulated", out_);
    after_worker(index);
    if (node.core != nullptr) connect_worker(index, 0);
  } else {
    clients_[index].core->lost(now_, peer, false, errc::disconnected, "simulated", out_);
    after_client(index);
    connect_client(index);
  }
}

void world::end_drained_hub(std::uint32_t life) {
  if (life != hub_life_) return;
  restart_hub(true);
  if (happens(how_.leaves_with_hub))
    end_client(static_cast<std::uint32_t>(random_.below(static_cast<std::uint64_t>(how_.clients))));
}

void world::restart_hub(bool drained) {
  note_counters();
  check_retries();
  reach(state::hub_restarted);
  restarted_ = true;
  if (drained || random_.below(2) == 0) {
    hub_->shutdown(now_, out_);
    after_hub();
  }
  imposters_ = 0;
  overheard_.clear();  // a new hub believes whoever names a session first
  if (how_.journal) lose_unsynced();
  make_hub();
  for (auto& over : connections_) over.open_at_hub = false;
  if (how_.journal) recall();
  auto const accept = [&](peer_id peer) {
    link_of(peer).open_at_hub = true;
    auto const& over = link_of(peer);
    hub_->connected(now_, peer, {how_.reliable, 0, identity_of(over.of_worker, over.node)}, out_);
    after_hub();
  };
  for (auto const& node : clients_) {
    if (node.core != nullptr) accept(node.peer);
  }
  for (auto const& node : workers_) {
    if (node.core != nullptr) accept(node.peer);
  }
}

// Somebody else names a client's session, and is newer, it says.
void world::pose_as(std::uint32_t index) {
  auto const& node = clients_[index];
  if (!how_.reliable || node.core == nullptr || !node.core->ready()) return;
  auto const peer = open_connection(false, 0, 0);
  link_of(peer).open_at_node = false;
  hub_->connected(now_, peer, {how_.reliable, 0, "imposter"}, out_);
  after_hub();
  hello_message said;
  said.role = random_.below(2) == 0 ? peer_role::client : peer_role::worker;
  said.session = first_session + node.life;
  auto message = make_hello(said);
  message.head.attempt = 1'000'000;
  ++imposters_;
  hub_->receive(now_, peer, std::move(message), out_);
  for (auto const& one : out_) {
    auto const* const send = std::get_if<out::send>(&one);
    if (send != nullptr && send->peer == peer && send->head.type == frame_type::welcome)
      violated("somebody else is welcomed to a client's session");
  }
  link_of(peer).open_at_hub = false;
  after_hub();
  hub_->lost(now_, peer, {}, out_);
  after_hub();
}

void world::remember(frame const& message) {
  constexpr std::size_t most = 64;
  constexpr std::uint64_t one_in = 4;
  if (++overheard_next_ % one_in != 0 || message.head.type == frame_type::bye || size_of(message) > 4'096)
    return;
  frame copy{message.head, message.body.duplicate(), message.buffers};
  if (overheard_.size() < most)
    overheard_.push_back(std::move(copy));
  else
    overheard_[overheard_next_ / one_in % most] = std::move(copy);
}

// A hello of a session that nobody has, or another of the same; with many functions; or what somebody else
// has said.
frame world::invent(random_source& random) {
  if (!overheard_.empty() && random.below(2) == 0) {
    auto const& heard = overheard_[random.below(overheard_.size())];
    return {heard.head, heard.body.duplicate(), heard.buffers};
  }
  auto const session = random.below(3);
  auto const& said = invented_hello(session, random.below(4) == 0 ? random.below(16) : 0);
  frame message{said.head, said.body.duplicate(), {}};
  message.head.attempt = static_cast<std::uint32_t>(random.below(5));
  return message;
}

// With up to 300 functions.
frame const& world::invented_hello(std::uint64_t session, std::uint64_t functions) {
  static auto const all = [] {
    std::array<frame, 48> made;
    for (std::uint64_t i = 0; i < made.size(); ++i) {
      hello_message said;
      said.role = peer_role::client;
      said.session = (std::uint64_t{1} << 50) + i / 16;
      for (std::uint64_t name = 0; name < i % 16 * 20; ++name)
        said.functions.push_back({"lies::" + std::to_string(name), name, ""});
      made[i] = make_hello(said);
    }
    return made;
  }();
  return all[session * 16 + functions];
}

// Somebody who was let in, and keeps to nothing. What the hub thinks of him is not asked; others must not
// notice.
void world::lie() {
  reach(state::lied_to);
  auto const peer = open_connection(false, 0, 0);
  link_of(peer).open_at_node = false;
  hub_->connected(now_, peer, {how_.reliable, 0, "liar"}, out_);
  after_hub();
  for (auto left = 1 + random_.below(40); left > 0; --left) {
    auto const before = hub_->counters().protocol_violations;
    hub_->receive(now_, peer, invent(random_), out_);
    imposters_ += hub_->counters().protocol_violations - before;
    after_hub();
  }
  link_of(peer).open_at_hub = false;
  hub_->lost(now_, peer, {}, out_);
  after_hub();
}

void world::drain_worker(std::uint32_t index) {
  if (workers_[index].core == nullptr) return;
  close_row(index);
  workers_[index].drains = true;
  workers_[index].core->drain(now_, out_);
  after_worker(index);
}

report simulate(profile const& how, options const& what) {
  if (how.crowd) return simulate_crowd(what);
  if (how.sharing) return simulate_sharing(what);
  auto const made = drawn(how, what.seed);
  return world(made, what).run();
}

}  // namespace yonder::core::simulation
