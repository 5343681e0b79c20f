// SPDX-License-Identifier: Apache-2.0
#include "src/core/session_table.hpp"

#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

std::size_t size_of(std::vector<function_info> const& table) {
  std::size_t size = 0;
  for (auto const& one : table) size += sizeof one + one.name.size() + one.schema.size();
  return size;
}

}  // namespace

session_table::session_table(limits const& allowed, random_source& random, timer_wheel& timers)
    : limits_(allowed),
      timers_(timers),
      peers_(random.next()),
      sessions_(random.next()),
      last_epoch_(static_cast<std::uint32_t>(random.next())) {}

// --- connections

peer_record* session_table::connect(time_point now, peer_id id, peer_link const& how) {
  if (peers_.size() >= limits_.peers || peers_.find(id) != nullptr) return nullptr;
  auto& peer = peer_records_.acquire();
  peer.id = id;
  peer.reliable = how.reliable;
  peer.start = how.start;
  peer.identity = how.identity;
  peer.is_operator = how.is_operator;
  peer.may_call = how.may_call;
  peer.may_work = how.may_work;
  peer.issued_for = how.issued_for;
  peer.hello_timer.kind = static_cast<std::uint8_t>(timer_kind::peer_hello);
  peer.hello_timer.owner = &peer;
  peers_.insert(id, peer);
  timers_.arm(peer.hello_timer, add(now, limits_.hello_timeout));
  return &peer;
}

void session_table::forget(peer_record& peer) {
  timers_.disarm(peer.hello_timer);
  peers_.erase(peer.id);
  peer_records_.release(peer);
}

// --- what a hello means

bool session_table::owns(peer_record const& peer, session const& one) {
  if (YONDER_MUTANT(foreign_hello_obeyed)) return true;
  if (peer.identity != one.identity) return false;
  return !peer.identity.empty() || one.peer == nullptr || one.peer == &peer;
}

session_table::verdict session_table::judge(peer_record const& peer, frame const& message,
                                            hello_message& said) const {
  auto const& head = message.head;
  if (head.metadata_size > limits_.hello_bytes)
    return {greeting::refused, nullptr, errc::too_large,
            "a hello of " + std::to_string(head.metadata_size) + " bytes; this hub takes at most " +
                std::to_string(limits_.hello_bytes)};
  if (!read_hello(message, said))
    return {greeting::violation, nullptr, errc::protocol_violation, "an undecodable hello"};
  if (said.lowest_version > protocol_version || said.highest_version < protocol_version)
    return {greeting::refused, nullptr, errc::protocol_mismatch,
            "this hub speaks protocol version " + std::to_string(protocol_version) + ", the other end " +
                std::to_string(said.lowest_version) + " to " + std::to_string(said.highest_version)};
  if (size_of(said.functions) > limits_.table_bytes - table_bytes_)
    return {greeting::refused, nullptr, errc::overloaded,
            "the functions that this hub's peers name take more than " + std::to_string(limits_.table_bytes) +
                " bytes"};
  if (limits_.proves_sessions && !peer.reliable && session_of(said.secret) != said.session)
    return {greeting::violation, nullptr, errc::unauthorized, "this session is another's"};
  auto* const known = sessions_.find(said.session);
  if (known == nullptr) {
    if (sessions_.size() < limits_.peers) return {greeting::begins};
    return {greeting::refused, nullptr, errc::overloaded, "this hub has as many sessions as it may"};
  }
  if (!owns(peer, *known)) {
    if (peer.identity != known->identity)
      return {greeting::violation, nullptr, errc::unauthorized, "this session is another's"};
    return {greeting::untimely, nullptr, errc::disconnected,
            "this session stands on another connection, which has not ended"};
  }
  if (known->role != said.role)
    return {greeting::violation, nullptr, errc::protocol_violation, "this session has another role"};
  auto const newer = distance(head.attempt, known->hello);
  if (newer < 0) return {greeting::stale};
  auto const goes_on =
      !peer.reliable && !known->conn.reliable() && (peer.owner == nullptr || peer.owner == known);
  if (newer == 0 && goes_on) return {greeting::repeated, known};
  if (goes_on && head.epoch == known->conn.epoch()) return {greeting::resumes, known};
  return {greeting::begins, known};
}

// --- sessions

client_session& session_table::begin_client(time_point now, peer_record& peer, hello_message& said,
                                            std::uint32_t number) {
  auto& client = *(clients_[said.session] = std::make_unique<client_session>());
  client.link_timer.kind = static_cast<std::uint8_t>(timer_kind::client_link);
  begin(now, client, peer, said, number);
  client.functions = std::move(said.functions);
  return client;
}

worker_session& session_table::begin_worker(time_point now, peer_record& peer, hello_message& said,
                                            std::uint32_t number) {
  auto& worker = *(workers_[said.session] = std::make_unique<worker_session>());
  worker.link_timer.kind = static_cast<std::uint8_t>(timer_kind::worker_link);
  worker.grace_timer.kind = static_cast<std::uint8_t>(timer_kind::worker_grace);
  worker.grace_timer.owner = &worker;
  begin(now, worker, peer, said, number);
  return worker;
}

void session_table::begin(time_point now, session& made, peer_record& peer, hello_message& said,
                          std::uint32_t number) {
  made.id = said.session;
  made.role = said.role;
  made.name = std::move(said.name);
  made.made_of = std::move(said.made_of);
  made.identity = peer.identity;
  made.process = said.process;
  made.limits = said.limits;
  made.table_bytes = size_of(said.functions);
  table_bytes_ += made.table_bytes;
  made.hello = number;
  made.peer = &peer;
  made.link_timer.owner = &made;
  if (++last_epoch_ == 0) ++last_epoch_;
  made.conn = link(peer.reliable, limits_.timing, limits_.frames, limits_.room);
  made.conn.open(now, peer.id, last_epoch_);
  sessions_.insert(made.id, made);
  peer.owner = &made;
  timers_.disarm(peer.hello_timer);
}

void session_table::rebind(session& one, peer_record& peer) {
  if (one.peer != nullptr && one.peer != &peer) one.peer->owner = nullptr;
  one.peer = &peer;
  peer.owner = &one;
  peer.start = 0;
  timers_.disarm(peer.hello_timer);
  one.conn.redirect(peer.id);
}

void session_table::detach(session& one) {
  one.conn.detach();
  one.peer = nullptr;
  watch(one);
}

void session_table::end(time_point now, session& one) {
  timers_.disarm(one.link_timer);
  sessions_.erase(one.id);
  table_bytes_ -= one.table_bytes;
  if (one.peer == nullptr) return;
  one.peer->owner = nullptr;
  timers_.arm(one.peer->hello_timer, add(now, limits_.hello_timeout));
}

bool session_table::alive(std::uint64_t id, std::uint32_t epoch) const {
  auto const* const found = sessions_.find(id);
  return found != nullptr && found->conn.epoch() == epoch;
}

worker_session* session_table::worker_of(std::uint64_t id, peer_record const& peer) const {
  auto* const found = sessions_.find(id);
  auto const is_its = found != nullptr && found->role == peer_role::worker && found->peer != &peer &&
                      found->identity == peer.identity;
  return is_its ? static_cast<worker_session*>(found) : nullptr;
}

client_session* session_table::client(std::uint64_t id) const {
  auto* const found = sessions_.find(id);
  return found == nullptr || found->role != peer_role::client ? nullptr : static_cast<client_session*>(found);
}

time_point session_table::link_due(session const& one) {
  auto const due = one.conn.next_deadline();
  auto const may_fall_quiet = one.role == peer_role::worker && !static_cast<worker_session const&>(one).quiet;
  return may_fall_quiet ? std::min(due, one.conn.quiet_at()) : due;
}

void session_table::watch(session& one) {
  if (one.conn.reliable()) return;
  auto const next = link_due(one);
  if (!one.link_timer.armed() || next < one.link_timer.when) timers_.arm(one.link_timer, next);
}

}  // namespace yonder::core
