// SPDX-License-Identifier: Apache-2.0
// The hub: who is connected, and what became of it.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"
#include "src/core/words.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

// Whether this is a worker that the hub had started.
bool is_ours(session const& one) {
  if (one.role != peer_role::worker) return false;
  auto const& worker = static_cast<worker_session const&>(one);
  return worker.pool != nullptr && worker.lent_by == nullptr;
}

}  // namespace

void hub::state::connected(time_point now, peer_id id, peer_link const& link, outputs& out) {
  if (sessions.connect(now, id, link) != nullptr) {
    auto* const whose = quotas.set(link.identity, link.max_jobs, link.max_gpus);
    if (whose != nullptr) let_in(now, *whose);
    return;
  }
  constexpr auto why = "the hub had as many connections as it may";
  out.emplace_back(out::close{id, why});
  if (link.start != 0) start_failed(now, link.start, why, {}, out);
}

void hub::state::lost(time_point now, peer_id id, peer_loss const& loss, outputs& out) {
  auto* const peer = sessions.find_peer(id);
  if (peer == nullptr) return;
  auto* const owner = peer->owner;
  auto const start = std::exchange(peer->start, 0);
  auto const process_ended = loss.signal != 0 || loss.exit_status.has_value();
  if (owner == nullptr) {
    if (start != 0) start_failed(now, start, describe_loss(loss), loss.stderr_tail, out);
  } else if (peer->reliable || process_ended) {
    ended(now, *owner, loss, out);
  } else {
    sessions.detach(*owner);
    note_quiet(now, *owner);
  }
  sessions.forget(*peer);
}

void hub::state::receive(time_point now, peer_id id, frame&& message, outputs& out) {
  auto* const peer = sessions.find_peer(id);
  if (peer == nullptr) {
    ++counters.stale;
    return;
  }
  auto const& head = message.head;
  if (head.type == frame_type::hello) return hello(now, *peer, message, out);
  if (peer->owner == nullptr) {
    if (head.type == frame_type::bye) return;
    if (!peer->reliable) return ask_to_rejoin(*peer, head, "this hub knows no such session", out);
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

void hub::state::receive_from(time_point now, session& one, frame&& message, outputs& out) {
  auto const id = one.id;
  auto const epoch = one.conn.epoch();
  heard(now, one);
  one.conn.answered();
  switch (message.head.type) {
    case frame_type::ack:
    case frame_type::heartbeat:
      if (!one.conn.acknowledged(now, message, out))
        return violated(now, one, "an acknowledgement of what was never sent", out);
      if (one.role == peer_role::client) {
        note_taken(now, static_cast<client_session&>(one), out);
      } else {
        note_running(now, static_cast<worker_session&>(one));
      }
      break;
    case frame_type::bye: return take_bye(now, one, out);
    case frame_type::welcome:
    case frame_type::assign:
    case frame_type::accepted:
    case frame_type::notice:
    case frame_type::credit: return violated(now, one, "a frame that only a hub sends", out);
    default: {
      auto const arrival = one.conn.arrived(now, message);
      if (arrival == link::arrival::repeated || arrival == link::arrival::dropped) ++counters.stale;
      // Nothing waits for its turn behind it there, and nothing is acknowledged.
      if (arrival == link::arrival::deliver && one.conn.reliable())
        return deliver(now, one, std::move(message), out);
      if (arrival == link::arrival::deliver) {
        // next() fills what deliver() has taken.
        do deliver(now, one, std::move(message), out);  // NOLINT(bugprone-use-after-move)
        while (sessions.alive(id, epoch) && one.conn.next(now, message));
      }
      if (sessions.alive(id, epoch) && one.conn.broken())
        return violated(now, one, "chunks that make no frame, or one that is too large", out);
    }
  }
  if (!sessions.alive(id, epoch)) return;
  one.conn.tick(now, out);
  sessions.watch(one);
}

void hub::state::deliver(time_point now, session& one, frame&& message, outputs& out) {
  auto const type = message.head.type;
  if (one.role == peer_role::client) {
    auto& client = static_cast<client_session&>(one);
    if (type == frame_type::call) return take_call(now, client, std::move(message), out);
    if (type == frame_type::cancel) return take_cancel(now, client, message, out);
    if (type == frame_type::waiting) return take_waiting(now, client, message, out);
    if (type == frame_type::taken) return take_taken(client, message, out);
    if (type == frame_type::drain && drains) return void(client.knows_drain = true);
    if (type >= frame_type::stream_items && type <= frame_type::stream_end)
      return take_from_reader(now, client, std::move(message), out);
  } else {
    auto& worker = static_cast<worker_session&>(one);
    if (type == frame_type::result || type == frame_type::error)
      return take_answer(now, worker, std::move(message), out);
    if (type == frame_type::ended) return take_end(now, worker, message, out);
    if (type == frame_type::printed) return take_printed(now, worker, message, out);
    if (type == frame_type::progress) return take_progress(now, worker, std::move(message), out);
    if (type == frame_type::stream_items || type == frame_type::stream_credit || type == frame_type::waiting)
      return take_from_producer(now, worker, std::move(message), out);
    if (type == frame_type::drain) return take_drain(now, worker, message, out);
    if (type == frame_type::keep) return take_keep(now, worker, message, out);
  }
  violated(now, one, "a frame that this role does not send", out);
}

// Of a call that came without its arguments, for want of room.
void hub::state::turn_away(time_point now, client_session& client, frame const& message, outputs& out) {
  auto const id = message.head.call;
  std::uint32_t refused = 0;
  for (std::uint32_t i = 0; i < read_item_count(message); ++i) {
    call_id const one{id.session, id.number + i};
    if (auto* const known = calls.find(one); known != nullptr) {
      if (known->orphaned_since == never) continue;
      take_again(now, client, isolate(now, *known, one.number, 1), out);
    } else {
      ++refused;
      answer(now, client, one, failure_of(errc::overloaded, calls.describe_overload()), out);
    }
  }
  call_message said;
  if (!read_call(message.metadata(), said) || said.parent.attempt == 0) return;
  failure why;
  if (auto* const parent = parent_of(now, client, said.parent, why); parent != nullptr)
    note_ended(*parent, refused, 0);
}

// --- hello and welcome

void hub::state::hello(time_point now, peer_record& peer, frame const& message, outputs& out) {
  using greeting = session_table::greeting;
  hello_message said;
  auto verdict = sessions.judge(peer, message, said);
  auto const* const caller = calls.find_caller(said.session);
  if (verdict.what == greeting::begins && caller != nullptr && caller->identity != peer.identity &&
      !YONDER_MUTANT(foreign_hello_obeyed))
    verdict = {greeting::violation, nullptr, errc::unauthorized, "this session is another's"};
  auto const is_refused = verdict.what == greeting::violation || verdict.what == greeting::refused;
  if (!is_refused && said.role == peer_role::worker && !peer.may_work)
    verdict = {
        greeting::refused, nullptr, errc::unauthorized,
        "this key is no worker's: it may call, and not run calls; the hub's operator gives one that may "
        "(yonder keys issue NAME --role worker)"};
  switch (verdict.what) {
    case greeting::violation: ++counters.protocol_violations; [[fallthrough]];
    case greeting::refused:
      return refuse(now, peer, message.head, verdict.code, std::move(verdict.text), out);
    case greeting::untimely: return ask_to_rejoin(peer, message.head, std::move(verdict.text), out);
    case greeting::stale: ++counters.stale; return;
    case greeting::repeated: sessions.rebind(*verdict.known, peer); return welcome(now, *verdict.known, out);
    case greeting::resumes: return resume_session(now, *verdict.known, peer, message.head, out);
    case greeting::begins: break;
  }
  replaces_another = replaces_another || (verdict.known == nullptr && message.head.epoch != 0);
  if (verdict.known != nullptr) {
    YONDER_REACHED(begun_anew);
    peer_loss loss;
    loss.reason = "began a new session";
    if (said.role == peer_role::worker)
      seek_again(now, static_cast<worker_session&>(*verdict.known), said.held, out);
    ended(now, *verdict.known, loss, out);
  }
  if (peer.owner != nullptr) return violated(now, *peer.owner, "a second session on one connection", out);
  if (said.role == peer_role::client) return begin_client(now, peer, said, message.head, out);
  if (!pools.awaits(said.start_token, peer.issued_for))
    return refuse(now, peer, message.head, errc::unauthorized,
                  "no worker of this start is awaited: it came too late, or another one has come by it", out);
  if (auto const* const pool = pools.pool_of(peer.start, said.start_token);
      pool != nullptr && !takes(pool->needs.build, said.made_of))
    return refuse_build(now, peer, message.head, said, *pool, out);
  if (said.predecessor.session != 0) take_predecessor(now, peer, said.predecessor, out);
  begin_worker(now, peer, said, message.head, out);
}

// A worker that was started for calls of one build is of another one.
void hub::state::refuse_build(time_point now, peer_record& peer, header const& head,
                              hello_message const& said, pool_record const& pool, outputs& out) {
  auto const why = "it is " + in_words(said.made_of) + ", and calls ask for " +
                   build_in_words(pool.needs.build.build) +
                   " (options::build): let that build be where workers are started, or let the calls say "
                   ".build = yonder::build::any";
  auto const start = pools.start_of(std::exchange(peer.start, 0), said.start_token);
  if (pool.config.elsewhere) out.emplace_back(out::abandon_start{start});
  refuse(now, peer, head, errc::unsatisfiable, why, out);
  start_failed(now, start, why, {}, out);
}

void hub::state::begin_client(time_point now, peer_record& peer, hello_message& said, header const& head,
                              outputs& out) {
  auto& client = sessions.begin_client(now, peer, said, head.attempt);
  calls.connect(client.id, client.identity);
  if (client.made_of.build != 0) work.hold_build(client.made_of.build);
  welcome(now, client, out);
  if (drains) say_drains(now, client, out);
}

void hub::state::begin_worker(time_point now, peer_record& peer, hello_message& said, header const& head,
                              outputs& out) {
  auto& worker = sessions.begin_worker(now, peer, said, head.attempt);
  worker.concurrency = std::min(said.concurrency, most_concurrent);
  worker.pool = pools.succeeded(std::exchange(peer.start, 0), said.start_token, &worker);
  if (worker.start != 0) out.emplace_back(out::worker_came{worker.start});
  worker.gpus = std::move(said.gpus);
  if (said.remaining != never) {
    set_end(now, worker, said.remaining);
    if (worker.pool != nullptr) note_outlived(now, worker, out);
  }
  worker.quiet = !peer.reliable;  // that it hears us is seen when it answers the welcome
  welcome(now, worker, out);
  if (worker.pool != nullptr && worker.pool->has_service())
    return enter(now, worker, std::move(said.functions), out);
  if (worker.pool != nullptr && worker.quiet) scaler::will_take_a_call(now, *worker.pool);
  work.join(now, worker,
            work.hold_image(said.functions,
                            worker.pool != nullptr && worker.pool->on_demand ? worker.pool : nullptr,
                            worker.made_of));
  if (!said.held.empty()) take_held(now, worker, said.held, out);
  came_without(now, worker.id,
               "the hub ended while the call may have run, and its worker came back without it", out);
  arm_grace(worker);
}

// What only its supervisor could see of a worker elsewhere. Nothing was started in another epoch than the
// last.
void hub::state::take_predecessor(time_point now, peer_record const& peer, predecessor const& gone,
                                  outputs& out) {
  auto* const worker = sessions.worker_of(gone.session, peer);
  if (worker == nullptr)
    return came_without(now, gone.session, "the hub ended while the call may have run, and so has its worker",
                        out);
  peer_loss loss;
  loss.started = gone.epoch == worker->conn.epoch() ? gone.started : 0;
  loss.signal = gone.signal;
  loss.exit_status = gone.exit_status;
  loss.stderr_tail = gone.stderr_tail;
  loss.reason = gone.reason;
  ended(now, *worker, loss, out);
}

void hub::state::resume_session(time_point now, session& one, peer_record& peer, header const& head,
                                outputs& out) {
  YONDER_REACHED(resumed);
  one.hello = head.attempt;
  one.welcome_flags = flag_resumed;
  sessions.rebind(one, peer);
  welcome(now, one, out);
  one.conn.resume(now, peer.id, head.sequence, out);
  if (one.role == peer_role::client) note_taken(now, static_cast<client_session&>(one), out);
  sessions.watch(one);
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
  one.conn.expect_answer(now);
  sessions.watch(one);
}

void hub::state::refuse(time_point now, peer_record& peer, header const& head, errc code, std::string text,
                        outputs& out) {
  if (peer.owner != nullptr) return dismiss(now, *peer.owner, code, std::move(text), out);
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

void hub::state::ask_to_rejoin(peer_record& peer, header const& head, std::string text, outputs& out) {
  ++counters.stale;
  auto message = make_bye({errc::disconnected, std::move(text)});
  message.head.epoch = head.epoch;
  message.head.flags = flag_rejoin;
  auto const stated = message.head;
  out.emplace_back(out::send{peer.id, stated, frame_ref(std::move(message))});
}

// --- the end of a session

// Says goodbye and forgets the session; its connection still stands.
void hub::state::say_goodbye(time_point now, session& one, errc code, std::string const& text,
                             std::uint8_t flags, outputs& out) {
  auto const peer = one.conn.peer();
  auto bye = make_bye({code, text});
  bye.head.flags = flags;
  one.conn.send_unnumbered(now, std::move(bye), out);
  peer_loss loss;
  loss.reason = "was dismissed: " + text;
  ended(now, one, loss, out);
  if (auto* const gone = sessions.find_peer(peer)) sessions.forget(*gone);
}

void hub::state::dismiss(time_point now, session& one, errc code, std::string text, outputs& out) {
  auto const peer = one.conn.peer();
  auto const ours = is_ours(one);
  say_goodbye(now, one, code, text, 0, out);
  if (ours) out.emplace_back(out::kill_worker{peer, text});
  if (peer != 0) out.emplace_back(out::close{peer, std::move(text)});
}

void hub::state::violated(time_point now, session& one, std::string text, outputs& out) {
  ++counters.protocol_violations;
  dismiss(now, one, errc::protocol_violation, std::move(text), out);
}

// Those that the hub had started are the driver's to wait for.
void hub::state::shut_down(time_point now, session& one, outputs& out) {
  constexpr auto why = "the hub ended";
  auto const peer = one.conn.peer();
  auto const ours = is_ours(one);
  auto const others_may_come = YONDER_MUTANT(restart_is_final) ? std::uint8_t{0} : flag_rejoin;
  say_goodbye(now, one, errc::disconnected, why, ours ? std::uint8_t{0} : others_may_come, out);
  if (peer != 0 && !ours) out.emplace_back(out::close{peer, why});
}

// Whoever has been silent for too long may still live: it is told to begin anew.
void hub::state::fell_silent(time_point now, session& one, outputs& out) {
  auto const deaf = one.conn.deaf(now);
  auto bye = make_bye({errc::disconnected, deaf ? "nothing is acknowledged" : "silent for too long"});
  bye.head.flags = flag_rejoin;
  one.conn.send_unnumbered(now, std::move(bye), out);
  peer_loss loss;
  loss.reason = deaf ? "was heard, but acknowledged nothing" : "fell silent";
  if (deaf) YONDER_REACHED(deaf);
  if (one.role == peer_role::client) {
    YONDER_REACHED(client_silent);
    return take_bye(now, one, out);
  }
  YONDER_REACHED(worker_silent);
  ended(now, one, loss, out);
}

void hub::state::cancel_calls_of(time_point now, session const& client, outputs& out) {
  auto& caller = *calls.find_caller(client.id);
  while (!caller.subscribed.empty() && !YONDER_MUTANT(lost_client_kept))
    cancel(now, caller.subscribed.front(), out);
}

// Also those that nobody waits for, which go on or whose callers may come back.
void hub::state::cancel_calls_of(time_point now, std::string_view identity, outputs& out) {
  std::vector<call_id> all;
  calls.each([&](call_record const& call) {
    if (call.caller->identity == identity) all.push_back(call.id);
  });
  for (auto const& id : all)
    if (auto* const call = calls.find(id); call != nullptr) {
      auto const why =
          make_error(errc::cancelled, {}, "the credential that the call belongs to is let in no longer");
      if (call->joined != 0)
        tell_finders(now, *call, frame_ref(frame{why.head, why.body.duplicate(), {}}), out);
      cancel(now, *call, out);
    }
}

void hub::state::revoked(time_point now, std::string_view identity, std::string const& why, outputs& out) {
  end_schedules_of(now, identity, out);
  cancel_calls_of(now, identity, out);
  std::vector<std::uint64_t> clients, workers;
  for (auto const& [id, one] : sessions.clients())
    if (one->identity == identity) clients.push_back(id);
  for (auto const& [id, one] : sessions.workers())
    if (one->identity == identity) workers.push_back(id);
  for (auto const id : clients) {
    auto* const one = sessions.client(id);
    if (one == nullptr) continue;
    dismiss(now, *one, errc::unauthorized, why, out);
  }
  for (auto const id : workers) {
    auto const found = sessions.workers().find(id);
    if (found != sessions.workers().end()) dismiss(now, *found->second, errc::unauthorized, why, out);
  }
}

// Nobody waits for a client's calls any more, and nobody will.
void hub::state::take_bye(time_point now, session& one, outputs& out) {
  peer_loss loss;
  loss.reason = "said bye";
  if (one.role == peer_role::client) {
    calls.orphan_durable(now, *calls.find_caller(one.id));
    cancel_calls_of(now, one, out);
  } else if (!static_cast<worker_session&>(one).outstanding.empty()) {
    loss.reason = "said bye with work in its hands";
  }
  ended(now, one, loss, out);
}

void hub::state::ended(time_point now, session& one, peer_loss const& loss, outputs& out) {
  sessions.end(now, one);
  if (one.role == peer_role::client) {
    end_client(now, static_cast<client_session&>(one), out);
  } else {
    end_worker(now, static_cast<worker_session&>(one), loss, out);
  }
}

// Its calls go on: it may come back.
void hub::state::end_client(time_point now, client_session& client, outputs& out) {
  auto& caller = *calls.find_caller(client.id);
  forget_progress(client.id, 0, ~std::uint64_t{0});
  forget_maps(client.id);
  end_searches(now, client);
  end_values(now, client, out);
  end_streams(now, caller, out);
  while (auto* const call = caller.stalled.first()) {
    caller.stalled.remove(*call);
    wait_again(now, *call);
  }
  calls.disconnect(now, caller);
  if (client.made_of.build != 0) work.release_build(client.made_of.build);
  sessions.remove(client);
}

// --- time

void hub::state::heard(time_point now, session& one) {
  one.conn.heard(now);
  if (one.role != peer_role::worker) return;
  auto& worker = static_cast<worker_session&>(one);
  if (std::exchange(worker.quiet, false)) work.update_load(now, worker);
}

// A worker that may be gone is given nothing new until it is heard again.
void hub::state::note_quiet(time_point now, session& one) {
  if (one.role != peer_role::worker || !one.conn.quiet(now)) return;
  auto& worker = static_cast<worker_session&>(one);
  worker.quiet = true;
  work.update_load(now, worker);
}

void hub::state::link_time(time_point now, session& one, outputs& out) {
  if (one.conn.dead(now)) return fell_silent(now, one, out);
  note_quiet(now, one);
  one.conn.tick(now, out);
  sessions.rewatch(one);
}

void hub::state::hello_time(time_point now, peer_record& peer, outputs& out) {
  peer_loss loss;
  loss.reason = "said no hello";
  auto const id = peer.id;
  out.emplace_back(out::close{id, loss.reason});
  lost(now, id, loss, out);
}

std::uint32_t hub::state::send(time_point now, session& to, frame&& message, outputs& out) {
  auto const head = message.head;
  auto const sequence = to.conn.send(now, head, frame_ref(std::move(message)), never, out);
  sessions.watch(to);
  return sequence;
}

}  // namespace yonder::core
