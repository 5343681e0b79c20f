// SPDX-License-Identifier: Apache-2.0
// The hub: who is connected, and what became of it.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

// Whether this is a worker that the hub had started.
bool is_ours(session const& one) {
  return one.role == peer_role::worker && static_cast<worker_session const&>(one).start != 0;
}

}  // namespace

void hub::state::connected(time_point now, peer_id id, peer_link link, outputs& out) {
  if (peers.size() >= config.max_peers || peers.find(id) != nullptr) {
    out.emplace_back(out::close{id, "this hub has as many connections as it may"});
    if (link.start != 0) start_failed(now, link.start, "the hub had as many connections as it may", {}, out);
    return;
  }
  auto& peer = peer_records.acquire();
  peer.id = id;
  peer.reliable = link.reliable;
  peer.start = link.start;
  peer.hello_timer.kind = static_cast<std::uint8_t>(timer_kind::peer_hello);
  peer.hello_timer.owner = &peer;
  peers.insert(id, peer);
  timers.arm(peer.hello_timer, add(now, config.session_timeout));
}

void hub::state::forget_peer(peer_record& peer) {
  timers.disarm(peer.hello_timer);
  peers.erase(peer.id);
  peer_records.release(peer);
}

void hub::state::lost(time_point now, peer_id id, peer_loss const& loss, outputs& out) {
  auto* const peer = peers.find(id);
  if (peer == nullptr) return;
  auto* const owner = peer->owner;
  auto const start = std::exchange(peer->start, 0);
  auto const process_ended = loss.signal != 0 || loss.exit_status.has_value();
  if (owner == nullptr) {
    if (start != 0) start_failed(now, start, describe_loss(loss), loss.stderr_tail, out);
  } else if (peer->reliable || process_ended) {
    ended(now, *owner, loss, out);
  } else {
    owner->conn.detach();
    owner->peer = nullptr;
    watch(*owner);
  }
  forget_peer(*peer);
}

void hub::state::receive(time_point now, peer_id id, frame&& message, outputs& out) {
  auto* const peer = peers.find(id);
  if (peer == nullptr) {
    ++counters.stale;
    return;
  }
  auto const& head = message.head;
  if (head.type == frame_type::hello) return hello(now, *peer, message, out);
  if (peer->owner == nullptr) {
    if (head.type == frame_type::bye) return;
    if (!peer->reliable) return ask_to_rejoin(*peer, head, out);
    ++counters.protocol_violations;
    return refuse(now, *peer, head, errc::protocol_violation, "a frame before hello", out);
  }
  auto const current = head.epoch == peer->owner->conn.epoch() && head.version == protocol_version;
  if (!current && !YONDER_MUTANT(epoch_not_checked)) {
    ++counters.stale;
    return;
  }
  receive_from(now, *peer->owner, std::move(message), out);
}

bool hub::state::alive(std::uint64_t id, std::uint32_t epoch) const {
  auto const* const found = sessions.find(id);
  return found != nullptr && found->conn.epoch() == epoch;
}

void hub::state::receive_from(time_point now, session& one, frame&& message, outputs& out) {
  auto const id = one.id;
  auto const epoch = one.conn.epoch();
  one.conn.heard(now);
  switch (message.head.type) {
    case frame_type::ack:
    case frame_type::heartbeat:
      if (!one.conn.acknowledged(now, message, out)) {
        ++counters.protocol_violations;
        return dismiss(now, one, errc::protocol_violation, "an acknowledgement of what was never sent", out);
      }
      break;
    case frame_type::bye: {
      auto const graceful =
          one.role == peer_role::client || static_cast<worker_session&>(one).outstanding.empty();
      peer_loss loss;
      loss.reason = graceful ? "said bye" : "said bye with work in its hands";
      return ended(now, one, loss, out);
    }
    case frame_type::welcome:
    case frame_type::assign:
      ++counters.protocol_violations;
      return dismiss(now, one, errc::protocol_violation, "a frame that only a hub sends", out);
    default: {
      auto const arrival = one.conn.arrived(now, message);
      if (arrival == link::arrival::repeated || arrival == link::arrival::dropped) ++counters.stale;
      if (arrival != link::arrival::deliver) break;
      // next() fills what deliver() has taken.
      do deliver(now, one, std::move(message), out);  // NOLINT(bugprone-use-after-move)
      while (alive(id, epoch) && one.conn.next(now, message));
    }
  }
  if (!alive(id, epoch)) return;
  one.conn.tick(now, out);
  watch(one);
}

void hub::state::deliver(time_point now, session& one, frame&& message, outputs& out) {
  auto const type = message.head.type;
  if (one.role == peer_role::client) {
    auto& client = static_cast<client_session&>(one);
    if (type == frame_type::call) return take_call(now, client, std::move(message), out);
    if (type == frame_type::cancel) return take_cancel(now, client, message.head, out);
  } else {
    auto& worker = static_cast<worker_session&>(one);
    if (type == frame_type::result || type == frame_type::error) {
      return take_answer(now, worker, std::move(message), out);
    }
    if (type == frame_type::drain) {
      return worker_drains(now, worker, out);
    }
  }
  ++counters.protocol_violations;
  dismiss(now, one, errc::protocol_violation, "a frame that this role does not send", out);
}

// --- hello and welcome

void hub::state::hello(time_point now, peer_record& peer, frame const& message, outputs& out) {
  hello_message said;
  if (!read_hello(message, said)) {
    ++counters.protocol_violations;
    return refuse(now, peer, message.head, errc::protocol_violation, "an undecodable hello", out);
  }
  if (said.lowest_version > protocol_version || said.highest_version < protocol_version) {
    return refuse(now, peer, message.head, errc::protocol_mismatch,
                  "this hub speaks protocol version " + std::to_string(protocol_version) +
                      ", the other end " + std::to_string(said.lowest_version) + " to " +
                      std::to_string(said.highest_version),
                  out);
  }
  if (auto* const known = sessions.find(said.session)) {
    auto const newer = distance(message.head.attempt, known->hello);
    if (newer < 0) {
      ++counters.stale;
      return;
    }
    auto const goes_on = known->role == said.role && !peer.reliable && !known->conn.reliable() &&
                         (peer.owner == nullptr || peer.owner == known);
    if (newer == 0 && goes_on) return rebind(now, *known, peer, out);
    if (goes_on && message.head.epoch == known->conn.epoch()) {
      return resume_session(now, *known, peer, message.head, out);
    }
    peer_loss loss;
    loss.reason = "began a new session";
    ended(now, *known, loss, out);
  }
  if (peer.owner != nullptr) {
    ++counters.protocol_violations;
    return dismiss(now, *peer.owner, errc::protocol_violation, "a second session on one connection", out);
  }
  if (said.role == peer_role::client) return begin_client(now, peer, said, message.head.attempt, out);
  begin_worker(now, peer, said, message.head.attempt, out);
}

void hub::state::begin_client(time_point now, peer_record& peer, hello_message& said, std::uint32_t number,
                              outputs& out) {
  auto& client = *(clients[said.session] = std::make_unique<client_session>());
  client.calls = number_map<call_record>(random.next());
  client.functions = std::move(said.functions);
  client.link_timer.kind = static_cast<std::uint8_t>(timer_kind::client_link);
  begin_session(now, client, peer, said, number, out);
}

void hub::state::begin_worker(time_point now, peer_record& peer, hello_message& said, std::uint32_t number,
                              outputs& out) {
  auto& worker = *(workers[said.session] = std::make_unique<worker_session>());
  worker.start = std::exchange(peer.start, 0);
  worker.link_timer.kind = static_cast<std::uint8_t>(timer_kind::worker_link);
  worker.grace_timer.kind = static_cast<std::uint8_t>(timer_kind::worker_grace);
  worker.grace_timer.owner = &worker;
  worker.program = &image_of(said.functions);
  ++worker.program->workers;
  begin_session(now, worker, peer, said, number, out);
  start_succeeded(worker.start);
  ++in_service;
  if (worker.start != 0) ++ours_in_service;
  place(now, worker);
  judge_due = now;
}

void hub::state::begin_session(time_point now, session& made, peer_record& peer, hello_message& said,
                               std::uint32_t number, outputs& out) {
  made.id = said.session;
  made.role = said.role;
  made.name = std::move(said.name);
  made.process = said.process;
  made.limits = said.limits;
  made.hello = number;
  made.peer = &peer;
  made.link_timer.owner = &made;
  if (++last_epoch == 0) ++last_epoch;
  made.conn = link(peer.reliable, config.timing);
  made.conn.open(now, peer.id, last_epoch);
  sessions.insert(made.id, made);
  peer.owner = &made;
  timers.disarm(peer.hello_timer);
  welcome(now, made, out);
}

void hub::state::resume_session(time_point now, session& one, peer_record& peer, header const& head,
                                outputs& out) {
  one.hello = head.attempt;
  one.welcome_flags = flag_resumed;
  rebind(now, one, peer, out);
  one.conn.resume(now, peer.id, head.sequence, out);
  watch(one);
}

// The session goes on over `peer`.
void hub::state::rebind(time_point now, session& one, peer_record& peer, outputs& out) {
  if (one.peer != nullptr && one.peer != &peer) one.peer->owner = nullptr;
  one.peer = &peer;
  peer.owner = &one;
  peer.start = 0;
  timers.disarm(peer.hello_timer);
  one.conn.redirect(peer.id);
  welcome(now, one, out);
}

void hub::state::welcome(time_point now, session& one, outputs& out) {
  welcome_message said;
  said.heartbeat = config.timing.heartbeat;
  said.credit = {config.max_client_calls, config.max_client_bytes};
  said.limits = config.limits;
  auto message = make_welcome(said);
  message.head.attempt = one.hello;
  message.head.flags = one.welcome_flags;
  message.head.sequence = one.conn.received();
  one.conn.heard(now);
  one.conn.send_unnumbered(now, std::move(message), out);
  watch(one);
}

void hub::state::refuse(time_point now, peer_record& peer, header const& head, errc code, std::string text,
                        outputs& out) {
  auto message = make_bye({code, text});
  message.head.epoch = head.epoch;
  message.head.attempt = head.attempt;
  auto const stated = message.head;
  out.emplace_back(out::send{peer.id, stated, frame_ref(std::move(message))});
  out.emplace_back(out::close{peer.id, text});
  peer_loss loss;
  loss.reason = "was refused: " + text;
  lost(now, peer.id, loss, out);
}

void hub::state::ask_to_rejoin(peer_record& peer, header const& head, outputs& out) {
  ++counters.stale;
  auto message = make_bye({errc::disconnected, "this hub knows no such session"});
  message.head.epoch = head.epoch;
  message.head.flags = flag_rejoin;
  auto const stated = message.head;
  out.emplace_back(out::send{peer.id, stated, frame_ref(std::move(message))});
}

// --- the end of a session

// Says goodbye and forgets the session; its connection still stands.
void hub::state::part(time_point now, session& one, errc code, std::string const& text, std::uint8_t flags,
                      outputs& out) {
  auto const peer = one.conn.peer();
  auto bye = make_bye({code, text});
  bye.head.flags = flags;
  one.conn.send_unnumbered(now, std::move(bye), out);
  peer_loss loss;
  loss.reason = "was dismissed: " + text;
  ended(now, one, loss, out);
  if (auto* const gone = peers.find(peer)) forget_peer(*gone);
}

void hub::state::dismiss(time_point now, session& one, errc code, std::string text, outputs& out) {
  auto const peer = one.conn.peer();
  auto const ours = is_ours(one);
  part(now, one, code, text, 0, out);
  if (ours) out.emplace_back(out::kill_worker{peer, text});
  if (peer != 0) out.emplace_back(out::close{peer, std::move(text)});
}

// Those that the hub had started are the driver's to wait for.
void hub::state::shut_down(time_point now, session& one, outputs& out) {
  constexpr auto why = "the hub ended";
  auto const peer = one.conn.peer();
  auto const ours = is_ours(one);
  auto const others_may_come = YONDER_MUTANT(restart_is_final) ? std::uint8_t{0} : flag_rejoin;
  part(now, one, errc::disconnected, why, ours ? std::uint8_t{0} : others_may_come, out);
  if (peer != 0 && !ours) out.emplace_back(out::close{peer, why});
}

// Whoever has been silent for too long may still live: it is told to begin anew.
void hub::state::fell_silent(time_point now, session& one, outputs& out) {
  auto bye = make_bye({errc::disconnected, "silent for too long"});
  bye.head.flags = flag_rejoin;
  one.conn.send_unnumbered(now, std::move(bye), out);
  peer_loss loss;
  loss.reason = "fell silent";
  ended(now, one, loss, out);
}

void hub::state::ended(time_point now, session& one, peer_loss const& loss, outputs& out) {
  timers.disarm(one.link_timer);
  sessions.erase(one.id);
  if (one.peer != nullptr) {
    one.peer->owner = nullptr;
    timers.arm(one.peer->hello_timer, add(now, config.session_timeout));
  }
  if (one.role == peer_role::client) {
    end_client(now, static_cast<client_session&>(one), out);
  } else {
    end_worker(now, static_cast<worker_session&>(one), loss, out);
  }
}

void hub::state::end_client(time_point now, client_session& client, outputs& out) {
  if (YONDER_MUTANT(lost_client_kept)) return;
  while (!client.order.empty()) {
    auto& call = client.order.front();
    if (call.now_in == stage::assigned) abandon(now, call, out);
    ++counters.cancelled;
    forget(call);
  }
  clients.erase(client.id);
}

void hub::state::end_worker(time_point now, worker_session& worker, peer_loss const& loss, outputs& out) {
  if (!worker.outstanding.empty() || !worker.draining) ++counters.workers_lost;
  leave_service(now, worker);
  timers.disarm(worker.grace_timer);
  auto culprit = !worker.dying;
  for (std::size_t i = 0; i < worker.outstanding.size(); ++i) {
    auto const& attempt = worker.outstanding[i];
    auto started = loss.started ? distance(attempt.sequence, *loss.started) <= 0
                                : worker.conn.was_transmitted(attempt.sequence);
    if (YONDER_MUTANT(started_ignored)) started = false;
    if (attempt.call != nullptr) {
      attempt.call->worker = nullptr;
      if (started) {
        attempt_lost(now, *attempt.call, worker, loss, culprit, out);
      } else {
        unstarted_lost(now, *attempt.call, loss, culprit, out);
      }
    }
    culprit = false;
  }
  if (worker.counted_loaded) --worker.program->loaded;
  auto& program = *worker.program;
  workers.erase(worker.id);
  if (--program.workers == 0) release_image(now, program);
}

// --- the time of links

void hub::state::watch(session& one) {
  if (one.conn.reliable()) return;
  auto const next = one.conn.next_deadline();
  if (!one.link_timer.armed() || next < one.link_timer.when) timers.arm(one.link_timer, next);
}

void hub::state::link_time(time_point now, session& one, outputs& out) {
  if (one.conn.dead(now)) return fell_silent(now, one, out);
  one.conn.tick(now, out);
  timers.arm(one.link_timer, one.conn.next_deadline());
}

std::uint32_t hub::state::send(time_point now, session& to, frame&& message, outputs& out) {
  auto const head = message.head;
  auto const sequence = to.conn.send(now, head, frame_ref(std::move(message)), never, out);
  watch(to);
  return sequence;
}

}  // namespace yonder::core
