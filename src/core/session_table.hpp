// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub_records.hpp"
#include "src/core/slab.hpp"

#include <memory>
#include <unordered_map>

namespace yonder::core {

// Who is connected, and who is who: connections, and the sessions that they carry. A session belongs to the
// identity that began it or, where connections have none, to its connection: nobody else goes on with it,
// ends it or begins it anew. It decides; the hub sends.
class session_table {
 public:
  struct limits {
    std::size_t peers = 0;        // connections, and sessions
    std::size_t hello_bytes = 0;  // of one hello
    std::size_t table_bytes = 0;  // of all functions that sessions have named
    duration hello_timeout = 0;   // hello must follow a connection within this time
    link_timing timing{};
    frame_limits frames{};         // what the hub receives
    bool proves_sessions = false;  // hub_config::proves_sessions
    byte_account* room = nullptr;  // of what comes in parts; null: no bound
  };

  template <class Session>
  using map_of = std::unordered_map<std::uint64_t, std::unique_ptr<Session>>;

  session_table(limits const& allowed, random_source& random, timer_wheel& timers);

  // --- connections

  // Null: there are too many, or this one is known already.
  peer_record* connect(time_point now, peer_id id, peer_link const& how);
  peer_record* find_peer(peer_id id) const { return peers_.find(id); }
  void forget(peer_record& peer);

  // --- what a hello means

  enum class greeting : std::uint8_t {
    begins,     // a session; that of `known`, if any, is over
    repeated,   // `known` was welcomed already
    resumes,    // `known` goes on
    stale,      // a late repetition
    untimely,   // the session stands on another connection: perhaps the peer's former one
    refused,    // why: `code`, `text`
    violation,  // refused, and no honest peer says so
  };
  struct verdict {
    greeting what{};
    session* known = nullptr;
    errc code{};
    std::string text{};
  };
  verdict judge(peer_record const& peer, frame const& message, hello_message& said) const;

  // --- sessions

  client_session& begin_client(time_point now, peer_record& peer, hello_message& said, std::uint32_t number);
  worker_session& begin_worker(time_point now, peer_record& peer, hello_message& said, std::uint32_t number);
  // The session goes on over `peer`.
  void rebind(session& one, peer_record& peer);
  // The connection ended, the session waits for another.
  void detach(session& one);
  // Nobody finds it any more; remove() it when nothing refers to it.
  void end(time_point now, session& one);
  void remove(client_session& one) { clients_.erase(one.id); }
  void remove(worker_session& one) { workers_.erase(one.id); }

  bool alive(std::uint64_t id, std::uint32_t epoch) const;
  // The worker of this session, if it belongs to whoever is at `peer`; null: there is none.
  worker_session* worker_of(std::uint64_t id, peer_record const& peer) const;
  // The connected client of this session; null: there is none.
  client_session* client(std::uint64_t id) const;

  // Arms the timer of its link for what is due next.
  void watch(session& one);
  // Its time has come; arms it anew.
  void rewatch(session& one) { timers_.arm(one.link_timer, link_due(one)); }

  map_of<client_session> const& clients() const noexcept { return clients_; }
  map_of<worker_session> const& workers() const noexcept { return workers_; }
  std::size_t peers() const noexcept { return peers_.size(); }

 private:
  static bool owns(peer_record const& peer, session const& one);
  static time_point link_due(session const& one);
  void begin(time_point now, session& made, peer_record& peer, hello_message& said, std::uint32_t number);

  limits limits_;
  timer_wheel& timers_;
  slab<peer_record> peer_records_;
  number_map<peer_record> peers_;
  number_map<session> sessions_;
  map_of<client_session> clients_;
  map_of<worker_session> workers_;
  std::size_t table_bytes_ = 0;
  std::uint32_t last_epoch_;
};

}  // namespace yonder::core
