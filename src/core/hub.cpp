// SPDX-License-Identifier: Apache-2.0
#include "src/core/hub.hpp"

#include "src/core/hub_state.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

template <class Owner>
Owner& owner_of(timer& due) {
  return *static_cast<timer_of<Owner>&>(due).owner;
}

}  // namespace

hub::state::state(hub_config made, time_point now)
    : config(std::move(made)),
      random(config.seed),
      timers(now),
      last_epoch(static_cast<std::uint32_t>(random.next())),
      peers(random.next()),
      sessions(random.next()),
      tokens(config.retry_tokens),
      tokens_at(now) {}

// What every step ends with: work finds workers, workers find work.
void hub::state::settle(time_point now, outputs& out) {
  judge_unoffered(now, out);
  dispatch(now, out);
  if (spread_due <= now || queued == 0) spread(now, out);
  scale(now, out);
}

void hub::state::tick(time_point now, outputs& out) {
  while (auto* const due = timers.expire(now)) {
    switch (static_cast<timer_kind>(due->kind)) {
      case timer_kind::call: call_time(now, static_cast<call_record&>(*due), out); break;
      case timer_kind::client_link:
      case timer_kind::worker_link: link_time(now, owner_of<session>(*due), out); break;
      case timer_kind::worker_grace:
        kill(now, owner_of<worker_session>(*due), "did not stop within its grace period", out);
        break;
      case timer_kind::peer_hello: {
        auto& peer = owner_of<peer_record>(*due);
        auto const id = peer.id;
        out.emplace_back(out::close{id, "said no hello"});
        peer_loss loss;
        loss.reason = "said no hello";
        lost(now, id, loss, out);
        break;
      }
      case timer_kind::start:
        start_failed(now, owner_of<start_record>(*due).id, "the worker did not connect in time", {}, out);
        break;
    }
  }
  hand_out_tokens(now);
}

time_point hub::state::next_deadline() const {
  auto next = std::min({timers.next(), judge_due, spread_due});
  if (config.max_workers != 0) next = std::min(next, scale_due());
  auto& lists = const_cast<state&>(*this);
  if (!idle_started.empty() && ours_in_service > config.min_workers) {
    next = std::min(next, add(lists.idle_started.front().idle_since, config.idle_timeout));
  }
  if (!tokenless.empty()) {
    auto const missing = std::max(0.0, 1.0 - tokens) / config.retry_tokens_per_second;
    next = std::min(next, add(tokens_at, static_cast<duration>(missing * static_cast<double>(second)) + 1));
  }
  return next;
}

hub::hub(hub_config config, time_point now) : state_(std::make_unique<state>(std::move(config), now)) {}
hub::~hub() = default;

void hub::connected(time_point now, peer_id peer, peer_link link, outputs& out) {
  state_->connected(now, peer, link, out);
  state_->settle(now, out);
}

void hub::lost(time_point now, peer_id peer, peer_loss const& loss, outputs& out) {
  state_->lost(now, peer, loss, out);
  state_->settle(now, out);
}

void hub::receive(time_point now, peer_id peer, frame&& message, outputs& out) {
  state_->receive(now, peer, std::move(message), out);
  state_->settle(now, out);
}

void hub::worker_start_failed(time_point now, std::uint64_t start, std::string const& reason,
                              std::string const& stderr_tail, outputs& out) {
  state_->start_failed(now, start, reason, stderr_tail, out);
  state_->settle(now, out);
}

void hub::shutdown(time_point now, outputs& out) {
  auto& s = *state_;
  while (!s.clients.empty()) s.shut_down(now, *s.clients.begin()->second, out);
  while (!s.workers.empty()) s.shut_down(now, *s.workers.begin()->second, out);
}

void hub::tick(time_point now, outputs& out) {
  state_->tick(now, out);
  state_->settle(now, out);
}

time_point hub::next_deadline() const { return state_->next_deadline(); }

hub_counters const& hub::counters() const { return state_->counters; }

hub_census hub::census() const {
  auto const& s = *state_;
  hub_census seen;
  seen.peers = s.peers.size();
  seen.clients = s.clients.size();
  seen.workers = s.workers.size();
  seen.starting = s.starts.size();
  seen.calls = s.calls.size();
  seen.queued = s.queued;
  seen.delayed = s.delayed + s.tokenless.size();
  seen.frames_held = s.calls.size();
  seen.bytes = s.bytes;
  seen.functions = s.functions.size();
  seen.timers = s.timers.size();
  for (auto const& [id, client] : s.clients) {
    seen.frames_held += client->conn.frames_held();
    seen.client_bytes += client->bytes;
  }
  for (auto const& [id, worker] : s.workers) {
    seen.frames_held += worker->conn.frames_held();
    seen.attempts += worker->outstanding.size();
    if (worker->now_is == load::idle) ++seen.idle_workers;
  }
  return seen;
}

}  // namespace yonder::core
