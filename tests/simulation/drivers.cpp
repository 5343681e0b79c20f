// SPDX-License-Identifier: Apache-2.0
//
// The shells of hub, clients and workers: what src/runtime does with threads and sockets, here with chance.
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {
namespace {

struct simulated_throw {};

}  // namespace

// Gives a frame to the transport of one end.
driver::send_result world::offer(out::send const& one, bool to_hub) {
  auto& over = link_of(one.peer);
  if (!(to_hub ? over.open_at_node : over.open_at_hub)) return driver::send_result::gone;
  if (happens(how_.send_throws)) return driver::send_result::failed;
  if (over.narrow && size_of(one.message()) > narrow_bytes) return driver::send_result::too_large;
  if (size_of(one.message()) > most_received(over, to_hub))
    violated("a frame is sent that its receiver cannot take");
  auto const way = to_hub ? 1 : 0;
  if (over.under_way[way] >= how_.queue_frames) {
    over.crowded[way] = true;
    if (!how_.reliable) all_honest_ = false;  // the frame is lost, and what it says comes late
    return driver::send_result::full;
  }
  post(out::send(one), to_hub);
  return driver::send_result::sent;
}

// What the other end has said that it can receive.
std::size_t world::most_received(connection const& over, bool to_hub) {
  if (to_hub) return largest_at_hub;
  return over.of_worker ? largest_at_worker << over.node % 2 : largest_at_client;
}

void world::send(shell& from, out::send&& one, bool to_hub) {
  if (!how_.drivers) return post(std::move(one), to_hub);
  if (!one.body) return violated("a step is made twice");
  auto const peer = one.peer;
  auto const fate = from.unsent.send(now_, std::move(one), !how_.reliable,
                                     [&](out::send const& offered) { return offer(offered, to_hub); });
  if (fate == driver::outbox::fate::waits) reach(state::queue_full);
  if (fate == driver::outbox::fate::refused) refuse_frame(peer);
}

void world::refuse_frame(peer_id peer) {
  reach(state::frame_refused);
  plan(0, kind::link_breaks, static_cast<std::uint32_t>(peer));
}

// Carries out what a core asked for. A step may throw once it is done; the rest waits for the shell's next
// turn.
template <class Step>
void world::drive(shell& which, node_name name, Step&& step) {
  if (!how_.drivers) {
    if (out_.empty()) return;
    if (depth_ == deepest_) {
      taken_.emplace_back();
      ++deepest_;
    }
    auto& taken = taken_[depth_++];
    taken.swap(out_);
    for (auto& one : taken) step(one);
    taken.clear();
    --depth_;
    return;
  }
  auto& due = which.due.items();
  if (due.empty())
    due.swap(out_);
  else
    due.insert(due.end(), std::make_move_iterator(out_.begin()), std::make_move_iterator(out_.end()));
  out_.clear();
  try {
    which.due.work_off([&](output& next) {
      auto one = std::move(next);  // a step may end the node, and what it had to do
      step(one);
      if (happens(how_.step_throws)) throw simulated_throw{};
    });
  } catch (simulated_throw const&) {
    reach(state::step_threw);
    plan(between(0, millisecond), kind::turn, name.index, static_cast<std::uint32_t>(name.of));
  }
}

// The transport has room again, or a turn threw.
void world::turn(std::uint32_t index, role of) {
  auto* const which = shell_of(index, of);
  if (which == nullptr) return;
  which->unsent.retry(
      now_, [&](out::send const& one) { return offer(one, of != role::hub); },
      [&](out::send&& one) { refuse_frame(one.peer); });
  if (which->due.empty()) return;
  switch (of) {
    case role::hub: return after_hub();
    case role::client: return after_client(index);
    case role::worker: return after_worker(index);
  }
}

shell* world::shell_of(std::uint32_t index, role of) {
  switch (of) {
    case role::hub: return &hub_shell_;
    case role::client: return clients_[index].core != nullptr ? &clients_[index].driven : nullptr;
    default: return workers_[index].core != nullptr ? &workers_[index].driven : nullptr;
  }
}

// One end could not send: it gives the other up.
void world::break_link(peer_id peer) {
  auto& over = link_of(peer);
  auto const of_worker = over.of_worker;
  auto const index = over.node;
  auto const current =
      over.open_at_node && (of_worker ? workers_[index].core != nullptr && workers_[index].peer == peer
                                      : clients_[index].core != nullptr && clients_[index].peer == peer);
  broken_ = true;
  if (over.open_at_hub) {
    over.open_at_hub = false;
    hub_shell_.unsent.forget(peer);
    turns_.lost(peer);
    hub_->lost(now_, peer, {.reason = "a frame was refused"}, out_);
    after_hub();
  }
  over.open_at_node = false;
  if (!current) return;
  if (of_worker) return end_worker(index, 9);
  auto& node = clients_[index];
  node.driven.unsent.forget(peer);
  node.core->lost(now_, peer, false, errc::disconnected, "a frame was refused", out_);
  after_client(index);
  plan(between(microsecond, millisecond), kind::comes_back, index);
}

void world::come_back(std::uint32_t index) {
  auto const& node = clients_[index];
  if (node.core != nullptr && !link_of(node.peer).open_at_node) connect_client(index);
}

// --- a worker's thread

// What has come is read at once, unless a task runs and nobody has taken the connection over.
void world::arrive_at_worker(std::uint32_t index, frame&& message) {
  if (message.head.type == frame_type::assign) observe_come(message.head, read_item_count(message));
  workers_[index].inbox.push_back(std::move(message));
  plan_read(index);
}

void world::plan_read(std::uint32_t index) {
  auto& node = workers_[index];
  if (node.read_planned || !node.listens()) return;
  node.read_planned = true;
  plan(between(0, 20 * microsecond), kind::worker_reads, index, node.generation);
}

void world::read(std::uint32_t index, std::uint32_t generation) {
  auto& node = workers_[index];
  if (node.core == nullptr || node.generation != generation) return;
  node.read_planned = false;
  if (!node.listens()) return;
  if (happens(how_.interrupts)) {
    reach(state::read_interrupted);
    return plan_read(index);
  }
  if (node.inbox.size() > 1) reach(state::several_read);
  for (auto& message : node.inbox) node.core->receive(now_, node.peer, std::move(message), out_);
  node.inbox.clear();
  if (node.core->next_deadline() <= now_) node.core->tick(now_, out_);
  after_worker(index);
}

void world::do_for_worker(std::uint32_t index, output& one) {
  auto& node = workers_[index];
  if (auto* const sent = std::get_if<out::send>(&one)) {
    if (sent->body) observe_answer(node, sent->message());  // else send() finds that it is made twice
    send(node.driven, std::move(*sent), true);
  } else if (auto* const run = std::get_if<out::run>(&one)) {
    if (!how_.drivers) return begin_run(index, *run);
    node.turns.asked_to_run(std::move(*run));
  } else if (auto* const stop = std::get_if<out::stop_requested>(&one)) {
    if (!how_.drivers || node.turns.asked_to_stop(stop->key)) return stop_run(index, stop->key);
    reach(state::stopped_early);
    node.stopped_early = stop->key;
  } else if (auto const* const told = std::get_if<out::stream_allowed>(&one)) {
    task_allowed(index, *told);
  } else if (auto const* const come = std::get_if<out::stream_arrived>(&one)) {
    task_fed(index, *come);
  } else if (auto* const why = std::get_if<out::exit>(&one)) {
    if (node.turns.asked_to_exit(std::move(*why))) reach(state::exit_while_running);
  }
}

// What the thread that serves does next, as far as it comes.
void world::serve(std::uint32_t index) {
  auto& node = workers_[index];
  using step = driver::serving::step;
  if (node.turns.exit() != nullptr && (node.tasks.empty() || node.turns.leaves_now()))
    return end_worker(index, 0);
  while (node.core != nullptr && node.tasks.size() < node.concurrency) {
    switch (node.turns.next()) {
      case step::run: {
        auto work = node.turns.take();
        if (node.stopped_early == work.key) return violated("an attempt begins that was stopped before");
        if (work.count > 1)
          begin_row(index, std::move(work));
        else
          begin_run(index, work);
        break;
      }
      case step::refuse: {
        auto const work = node.turns.take();
        failure refused;
        refused.code = errc::cancelled;
        if (work.items.empty()) node.core->finished(now_, work.key, copy_of(refused), out_);
        for (auto const& item : work.items) node.core->finished(now_, item.key, copy_of(refused), out_);
        node.ended += std::max<std::size_t>(1, work.items.size());
        return after_worker(index);
      }
      case step::leave: return end_worker(index, 0);
      case step::read:
        if (!node.inbox.empty()) plan_read(index);
        return;
    }
  }
}

// The watchdog.
void world::watch(std::uint32_t index, std::uint32_t generation) {
  auto& node = workers_[index];
  if (node.core == nullptr || node.generation != generation || !node.watched) return;
  switch (node.eye.look(node.runs)) {
    case driver::watch::act::take_over:
      reach(state::taken_over);
      node.taken_over = true;  // and looks again when the task has ended
      close_row(index);
      plan_read(index);
      return after_worker(index);
    case driver::watch::act::sleep: node.watched = false; return;
    case driver::watch::act::tick: break;
  }
  plan(driver::watch::patience, kind::worker_watches, index, generation);
}

// Items that follow each other without the core, as worker_loop::run_row() has them.
void world::begin_row(std::uint32_t index, out::run&& row) {
  auto& node = workers_[index];
  if (!node.tasks.empty()) violated("a worker runs two attempts at once");
  reach(state::row);
  begin_watched(index);
  node.row = std::move(row);
  node.row_open = true;
  node.place = std::uint32_t(-1);
  node.told = 0;
  begin_next(index);
}

void world::begin_next(std::uint32_t index) {
  auto& node = workers_[index];
  auto const& row = node.row;
  ++node.place;
  node.tasks.clear();
  out::run item;
  item.key = row.key;
  item.key.call.number += node.place;
  item.mark = row.mark + node.place;
  item.deadline = row.deadline;
  item.message.body = frame_body(row.message.payload().subspan(node.place * argument_size, argument_size),
                                 row.message.body.owner());
  begin_item(index, item);
}

// Whether what has just ended is followed by another item of the row: its value is kept until then.
bool world::goes_on_in_row(worker_node& node, task const& ended) {
  if (!node.row_open || ended.does != conduct::returns || node.place + 1 == node.row.count) return false;
  if (node.row.deadline <= now_ || happens(how_.large)) return false;
  add_value(node.values, ended.call, ended.key);
  node.sizes.push_back(value_size);
  return true;
}

// No further item begins: what was not begun waits in the core again, and what ended is told.
void world::close_row(std::uint32_t index) {
  auto& node = workers_[index];
  if (!std::exchange(node.row_open, false)) return;
  if (node.taken_over) reach(state::row_closed);
  node.turns.closed(node.row.key, node.tasks.front().key);
  node.core->shorten(now_, node.row.key, node.place + 1, out_);
  tell_row(node);
}

void world::tell_row(worker_node& node) {
  auto first = node.row.key;
  first.call.number += node.told;
  node.told += static_cast<std::uint32_t>(node.sizes.size());
  node.core->finished(now_, first, node.sizes, node.values, out_);
  node.sizes.clear();
  node.values.clear();
}

void world::begin_watched(std::uint32_t index) {
  auto& node = workers_[index];
  ++node.runs;
  if (std::exchange(node.watched, true)) return;
  plan(driver::watch::patience, kind::worker_watches, index, node.generation);
}

void world::end_watched(std::uint32_t index, attempt_key const& key) {
  auto& node = workers_[index];
  node.turns.ended(key);
  if (node.concurrency > 1) return;
  ++node.runs;
  if (std::exchange(node.taken_over, false))
    plan(driver::watch::patience, kind::worker_watches, index, node.generation);
}

void world::after_hub() {
  ++seen_.events;
  if (how_.turns > 0 && hub_->census().workers == 0) turns_.forget_shares();
  observe_decisions();
  drive(hub_shell_, {role::hub, 0}, [this](output& one) { do_for_hub(one); });
  plan_tick(hub_->next_deadline(), hub_ticks_at_, kind::hub_tick, 0);
  if (how_.client_bytes != 0 && seen_.events % 16 == 0) check_held();
  if (always_taken_ && seen_.events % 64 == 0) check_idle();
  if (hub_->counters().protocol_violations != imposters_)
    violated("the hub takes an honest peer for a violator: it last closed a connection because: " +
             last_close_);
}

void world::after_client(std::uint32_t index) {
  ++seen_.events;
  auto& node = clients_[index];
  auto troubled = false;
  drive(node.driven, {role::client, index}, [&](output& one) {
    if (auto* const sent = std::get_if<out::send>(&one)) {
      send(node.driven, std::move(*sent), true);
    } else if (auto const* const taken = std::get_if<out::accepted>(&one)) {
      for (std::uint32_t i = 0; i < taken->count; ++i)
        find({taken->call.session, taken->call.number + i})->accepted = true;
    } else if (auto* const done = std::get_if<out::completed>(&one)) {
      troubled |= completed(node, *done);
      if (how_.nests > 0) child_ended(node, lives_[node.life].records[done->call.number - 1]);
    } else if (auto const* const come = std::get_if<out::stream_arrived>(&one)) {
      stream_arrived(node, *come);
    } else if (auto const* const told = std::get_if<out::stream_allowed>(&one)) {
      stream_allowed(node, *told);
    } else if (auto const* const so_far = std::get_if<out::progressed>(&one)) {
      progressed(node, *so_far);
    } else if (std::get_if<out::close>(&one) != nullptr) {
      violated("a client takes an honest hub for a violator");
    }
  });
  plan_tick(node.core->next_deadline(), node.ticks_at, kind::client_tick, index);
  if (node.core->protocol_violations() != 0) violated("a client takes an honest hub for a violator");
  if (stopping_ || node.worker != no_slot || node.in_flight >= how_.window) return;
  if (troubled) {
    plan(between(100 * microsecond, 2 * millisecond), kind::submits, index);
  } else if (node.core->ready()) {
    submit(index);
  }
}

void world::after_worker(std::uint32_t index) {
  ++seen_.events;
  auto& node = workers_[index];
  drive(node.driven, {role::worker, index}, [&](output& one) { do_for_worker(index, one); });
  if (node.core->protocol_violations() != 0) violated("a worker takes an honest hub for a violator");
  if (!how_.drivers && node.turns.exit() != nullptr) return end_worker(index, 0);
  if (node.listens() || !how_.drivers)
    plan_tick(node.core->next_deadline(), node.ticks_at, kind::worker_tick, index);
  if (how_.drivers) serve(index);
}

}  // namespace yonder::core::simulation
