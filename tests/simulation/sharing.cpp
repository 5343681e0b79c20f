// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/sharing.hpp"

#include <utility>

namespace yonder::core::simulation {

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

report simulate_sharing(options const& what) { return sharing_world(what).run(); }

}  // namespace yonder::core::simulation
