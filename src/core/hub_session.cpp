// SPDX-License-Identifier: Apache-2.0
#include "src/core/hub_session.hpp"

#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {

void hub_session::connected(time_point now, peer_id peer, bool reliable, outputs& out) {
  if (over()) return;
  if (conn_.epoch() == 0 || conn_.reliable() != reliable) {
    conn_ = link(reliable, timing_, hello_.limits);
    conn_.open(now, peer, 0);
  }
  conn_.redirect(peer);
  greet(now, out);
}

void hub_session::lost(time_point now, peer_id peer, std::string_view why, outputs& out) {
  if (!is_of(peer)) return;
  if (ready()) away_since_ = now;
  trouble_ = why;
  phase_ = phase::absent;
  hello_due_ = never;
  conn_.detach();
  if (!conn_.reliable()) return;
  user_.session_lost(now, why, out);
  conn_.open(now, 0, 0);
}

void hub_session::end() noexcept {
  phase_ = phase::over;
  hello_due_ = never;
  conn_.detach();
}

void hub_session::say_bye(time_point now, std::string_view why, outputs& out) {
  if (conn_.epoch() != 0) conn_.send_unnumbered(now, make_bye({errc::disconnected, std::string(why)}), out);
}

// --- hello and welcome

void hub_session::greet(time_point now, outputs& out) {
  if (ready()) away_since_ = now;
  phase_ = phase::greeting;
  ++hellos_;
  user_.greets(now, hello_);
  say_hello(now, out);
}

void hub_session::say_hello(time_point now, outputs& out) {
  if (ends_at_ != never) hello_.remaining = std::max<duration>(0, ends_at_ - now);
  auto message = make_hello(hello_);
  message.head.attempt = hellos_;
  message.head.sequence = conn_.received();
  conn_.send_unnumbered(now, std::move(message), out);
  hello_due_ = conn_.reliable() ? never : add(now, timing_.heartbeat);
}

void hub_session::take_welcome(time_point now, peer_id peer, frame const& message, outputs& out) {
  auto const& head = message.head;
  if (phase_ != phase::greeting || head.attempt != hellos_) return;
  welcome_message welcome;
  if (!read_welcome(message, welcome)) return violate(now, "an undecodable welcome", out);
  hub_limits_ = welcome.limits;
  trouble_.clear();
  if (welcome.heartbeat > 0) conn_.set_heartbeat(welcome.heartbeat);
  phase_ = phase::ready;
  hello_due_ = never;
  auto const began_before = std::exchange(was_welcomed_, true);
  auto const resumed = (head.flags & flag_resumed) != 0 && head.epoch == conn_.epoch();
  if (resumed) {
    conn_.wait_anew();
    conn_.resume(now, peer, head.sequence, out);
  } else {
    if (began_before && !YONDER_MUTANT(lost_session_kept))
      user_.session_lost(now, "the hub lost this session", out);
    conn_.open(now, peer, head.epoch);
  }
  conn_.say_heard(now, out);
  user_.welcomed(now, welcome, resumed, out);
}

// A hub that knows the session no longer, or that ends and is awaited, asks for a hello. Everything else is
// final; so is that for a worker that a launcher has started for one session.
void hub_session::take_bye(time_point now, frame const& message, outputs& out) {
  auto const current = message.head.epoch == conn_.epoch();
  auto const answers_hello = phase_ == phase::greeting && message.head.attempt == hellos_ && hellos_ != 0;
  if (!current && !answers_hello) return;
  if ((message.head.flags & flag_rejoin) != 0 && hello_.start_token == 0) {
    if (ready()) greet(now, out);
    return;
  }
  bye_message bye;
  if (!read_bye(message, bye)) violated();
  refuse(now, bye.code, bye.text.empty() ? std::string_view("the hub ended the session") : bye.text, out);
}

void hub_session::violate(time_point now, std::string_view why, outputs& out) {
  violated();
  refuse(now, errc::protocol_violation, why, out);
}

void hub_session::refuse(time_point now, errc code, std::string_view why, outputs& out) {
  out.emplace_back(out::close{conn_.peer(), std::string(why)});
  end();
  user_.refused(now, code, why, out);
}

// --- what comes

void hub_session::receive(time_point now, peer_id peer, frame&& message, outputs& out) {
  if (over() || peer != conn_.peer()) return;
  auto const& head = message.head;
  if (head.type == frame_type::welcome) return take_welcome(now, peer, message, out);
  if (head.type == frame_type::bye) return take_bye(now, message, out);
  if (head.version != protocol_version) return;
  if (head.epoch != conn_.epoch() || head.epoch == 0) return;  // of an earlier session
  conn_.heard(now);
  switch (head.type) {
    case frame_type::hello: violated(); break;
    case frame_type::ack:
    case frame_type::heartbeat:
      if (conn_.acknowledged(now, message, out)) break;
      return violate(now, "a false acknowledgement", out);
    default: take_numbered(now, std::move(message), out);
  }
  if (conn_.broken()) return violate(now, "chunks that make no frame, or one that is too large", out);
  if (ready()) conn_.tick(now, out);
}

void hub_session::take_numbered(time_point now, frame&& message, outputs& out) {
  if (conn_.arrived(now, message) != link::arrival::deliver) return;
  do user_.deliver(now, std::move(message), out);  // NOLINT(bugprone-use-after-move): next() fills it
  while (!over() && conn_.next(now, message));
}

// --- time

void hub_session::tick(time_point now, outputs& out) {
  if (over()) return;
  if (ready()) {
    if (conn_.dead(now))
      greet(now, out);
    else
      conn_.tick(now, out);
  }
  if (hello_due_ <= now) say_hello(now, out);
}

time_point hub_session::next_deadline() const noexcept {
  if (over()) return never;
  return std::min(ready() ? conn_.next_deadline() : never, hello_due_);
}

}  // namespace yonder::core
