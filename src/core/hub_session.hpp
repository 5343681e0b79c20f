// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/link.hpp"
#include "src/core/metadata.hpp"

namespace yonder::core {

// What a client or a worker makes of its session with a hub. Every function is called within a step of the
// session and may send; each may end the session.
class session_user {
 public:
  // Nothing that was sent so far counts any more, and no answer to it will come: the hub knows the session no
  // longer. hub_session::was_transmitted() still tells what may have reached it.
  virtual void session_lost(time_point now, std::string_view why, outputs& out) = 0;
  // The hub has said welcome: to a new session, or to the one that stands.
  virtual void welcomed(time_point now, welcome_message const& welcome, bool resumed, outputs& out) = 0;
  // The turn of a numbered frame has come.
  virtual void deliver(time_point now, frame&& message, outputs& out) = 0;
  // A connection stands, over which a session may begin: what its hello says besides.
  virtual void greets(time_point, hello_message&) {}
  // The hub wants no session with this end: refused, let go, or out of order. The session has ended for good.
  virtual void refused(time_point now, errc code, std::string_view why, outputs& out) = 0;

 protected:
  ~session_user() = default;
};

// The end of a session that is not the hub's: hello until a welcome comes, resuming over another connection,
// signs of life, acknowledgement, and beginning anew when the hub has forgotten or has been started again.
class hub_session {
 public:
  // `hello` is what every hello says. `user` outlives the session.
  hub_session(time_point now, hello_message hello, link_timing const& timing, session_user& user)
      : hello_(std::move(hello)), timing_(timing), user_(user), away_since_(now) {}

  // A connection stands: says hello. `reliable`: frames are neither lost nor repeated while it stands.
  void connected(time_point now, peer_id peer, bool reliable, outputs& out);
  // Whether what happens to `peer` concerns this session.
  bool is_of(peer_id peer) const noexcept { return !over() && (peer == conn_.peer() || conn_.peer() == 0); }
  // The connection ended, or could not be made, and connected() may follow.
  void lost(time_point now, peer_id peer, std::string_view why, outputs& out);
  void receive(time_point now, peer_id peer, frame&& message, outputs& out);
  void tick(time_point now, outputs& out);
  time_point next_deadline() const noexcept;

  // Every hello says how long it is until then.
  void ends_at(time_point end) noexcept { ends_at_ = end; }

  // Takes no part in anything from now on.
  void end() noexcept;
  void say_bye(time_point now, std::string_view why, outputs& out);

  // Sends a numbered frame; see link::send().
  std::uint32_t send(time_point now, header const& head, frame_ref body, time_point deadline, outputs& out) {
    return conn_.send(now, head, std::move(body), deadline, out);
  }
  bool withdraw(time_point now, std::uint32_t ticket, outputs& out) {
    return conn_.withdraw(now, ticket, out);
  }
  void violated() noexcept { ++violations_; }

  bool ready() const noexcept { return phase_ == phase::ready; }  // the hub has said welcome
  bool over() const noexcept { return phase_ == phase::over; }
  bool was_welcomed() const noexcept { return was_welcomed_; }
  bool met_a_hub() const noexcept { return phase_ != phase::absent || conn_.epoch() != 0; }
  time_point away_since() const noexcept { return away_since_; }    // since when it has not been ready
  std::string const& trouble() const noexcept { return trouble_; }  // why it was lost; empty once welcomed
  frame_limits const& hub_limits() const noexcept { return hub_limits_; }  // as the last welcome said
  peer_id peer() const noexcept { return conn_.peer(); }
  bool reliable() const noexcept { return conn_.reliable(); }
  bool was_transmitted(std::uint32_t ticket) const noexcept { return conn_.was_transmitted(ticket); }
  bool was_delivered(std::uint32_t ticket) const noexcept { return conn_.was_delivered(ticket); }
  bool all_acknowledged() const noexcept { return conn_.all_acknowledged(); }
  time_point acknowledged_at() const noexcept { return conn_.acknowledged_at(); }
  bool delays(frame const& message) const noexcept { return conn_.delays(message); }
  std::size_t frames_held() const noexcept { return conn_.frames_held(); }
  std::uint64_t violations() const noexcept { return violations_; }

 private:
  enum class phase : std::uint8_t { absent, greeting, ready, over };

  void greet(time_point now, outputs& out);
  void say_hello(time_point now, outputs& out);
  void take_welcome(time_point now, peer_id peer, frame const& message, outputs& out);
  void take_bye(time_point now, frame const& message, outputs& out);
  void take_numbered(time_point now, frame&& message, outputs& out);
  void violate(time_point now, std::string_view why, outputs& out);
  void refuse(time_point now, errc code, std::string_view why, outputs& out);

  hello_message hello_;
  link_timing timing_;
  session_user& user_;
  link conn_;
  phase phase_ = phase::absent;
  bool was_welcomed_ = false;
  std::uint32_t hellos_ = 0;
  time_point hello_due_ = never;
  time_point away_since_;
  time_point ends_at_ = never;
  std::string trouble_;
  frame_limits hub_limits_;
  std::uint64_t violations_ = 0;
};

}  // namespace yonder::core
