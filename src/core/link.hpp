// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/bulk_pace.hpp"
#include "src/core/call_ranges.hpp"
#include "src/core/mutant.hpp"
#include "src/core/resting_deque.hpp"
#include "src/core/ring.hpp"
#include "src/core/transfer.hpp"
#include "src/core/types.hpp"

namespace yonder::core {

// One end of a session between two cores: delivers the numbered frames of the other end once each, whatever
// an unreliable connection loses, repeats, delays or reorders. Not numbered are hello, welcome, ack,
// heartbeat and bye. A reliable connection carries frames whole and in order: there, a link only counts.
//
// On an unreliable connection frames above bulk_size are bulk: they leave one after the other, above
// chunk_size in chunks, and smaller ones overtake them. A small frame waits for at most bulk_window bytes of
// them, and on a slow connection for fewer: see bulk_pace. Frames about a call never overtake that call, and
// drain overtakes nothing.
class link {
 public:
  static constexpr std::uint32_t window = 1024;  // numbered frames on their way
  static constexpr std::size_t bulk_size = chunk_size / 64;
  static constexpr std::size_t bulk_window = bulk_pace::most;  // bytes of bulk on their way
  static constexpr std::size_t max_held_bytes = std::size_t{64}
                                                << 20;  // of frames that came before their turn

  // What became of a numbered frame that came.
  enum class arrival : std::uint8_t { deliver, absorbed, held, repeated, dropped };

  link() = default;
  // `limits`: what this end can receive. `room`: what it shares with others for that; null: no bound.
  link(bool reliable, link_timing const& timing, frame_limits const& limits = {},
       byte_account* room = nullptr)
      : timing_(timing), limits_(limits), reliable_(reliable), incoming_(room) {}

  // Begins a session: forgets what was, stamps `epoch` on every frame from now on.
  void open(time_point now, peer_id peer, std::uint32_t epoch);
  // The session goes on over another connection; the other end says how far it has received.
  void resume(time_point now, peer_id peer, std::uint32_t received, outputs& out);
  // The connection ended; numbered frames wait for resume().
  void detach() noexcept { redirect(0); }
  void redirect(peer_id peer) noexcept {
    if (peer != peer_) unanswered_since_ = never;
    peer_ = peer;
  }

  // Sends, or keeps until the window opens. With a deadline, the header says what remains of it whenever the
  // frame leaves. Returns a ticket: how many frames were sent before in this session, plus one. On a reliable
  // connection it is the frame's number, too.
  std::uint32_t send(time_point now, header const& stated, frame_ref body, time_point deadline, outputs& out);
  // Takes a frame back that has not wholly left: true, and the other end will never deliver it.
  bool withdraw(time_point now, std::uint32_t ticket, outputs& out);
  std::uint32_t last_ticket() const noexcept { return last_ticket_; }
  // Sends a frame without a number, if a connection stands.
  void send_unnumbered(time_point now, frame message, outputs& out);

  // Takes a numbered frame; `deliver`: the turn of `message` has come, which may be another one now, and then
  // that of each frame that next() returns.
  arrival arrived(time_point now, frame& message);
  bool next(time_point now, frame& message) { return held_count_ != 0 && next_held(now, message); }
  // The other end has sent chunks that make no frame, or one that it was told not to send.
  bool broken() const noexcept { return broken_; }
  // The call that was delivered last has no payload, for want of room.
  bool lacks_payload() const noexcept { return lacks_payload_; }
  // Takes what an ack or a heartbeat says. False: it acknowledges what was never sent.
  bool acknowledged(time_point now, frame const& message, outputs& out);
  void heard(time_point now) noexcept { heard_ = now; }
  // An answer to an unnumbered frame is expected, has come, or is waited for anew.
  void expect_answer(time_point now) noexcept { unanswered_since_ = std::min(unanswered_since_, now); }
  void answered() noexcept {
    if (in_flight_.empty()) unanswered_since_ = never;
  }
  void wait_anew() noexcept { unanswered_since_ = never; }
  // Answers an unnumbered frame: says at once how far this end has received.
  void say_heard(time_point now, outputs& out) {
    if (!reliable_) say_received(now, frame_type::ack, out);
  }

  // Acknowledges, repeats and says that it lives, as far as the time has come.
  void tick(time_point now, outputs& out);
  time_point next_deadline() const noexcept;
  // Silence is time in which somebody listened: while whoever drives this end stood still, nobody did.
  bool dead(time_point now) const noexcept { return !reliable_ && now - stood_still(now) >= dead_at(); }
  time_point dead_at() const noexcept;
  // For a heartbeat and a quarter: nothing new is begun with whoever may be gone.
  bool quiet(time_point now) const noexcept {
    return !reliable_ && (peer_ == 0 || now - stood_still(now) >= quiet_at());
  }
  time_point quiet_at() const noexcept;
  // Dead because it acknowledges nothing, although it is heard: one direction of the connection is.
  bool deaf(time_point now) const noexcept { return dead(now) && deaf_at() < silent_at(); }

  static bool is_bulk(std::size_t size) noexcept { return size > header_size + bulk_size; }
  static bool is_bulk(frame const& message) noexcept { return is_bulk(size_of(message)); }
  // Whether the whole frame has left. False: the other end cannot have delivered it.
  bool was_transmitted(std::uint32_t ticket) const noexcept;
  // The number with which an assignment has wholly left; none: it has not. Of old ones, one below all others.
  std::optional<std::uint32_t> number_of(std::uint32_t ticket) const noexcept;
  // Whether the other end has said that the frame was delivered to it.
  bool was_delivered(std::uint32_t ticket) const noexcept;
  // The highest ticket up to which the other end has received every frame.
  std::uint32_t settled() const noexcept;
  bool crowded() const noexcept { return in_flight_.size() + waiting_.size() - withdrawn_ >= window; }
  bool all_acknowledged() const noexcept { return in_flight_.empty() && waiting_.empty() && bulk_.empty(); }
  // When the other end has acknowledged something new last, in this session; 0: it has not.
  time_point acknowledged_at() const noexcept { return acknowledged_at_; }
  // Whether what is sent now takes its time: it is cut, or waits behind bulk that is on its way.
  bool delays(frame const& message) const noexcept {
    if (reliable_ || !is_bulk(message)) return false;
    return needs_transfer(message) || !bulk_.empty() || bulk_bytes_ + size_of(message) > pace_.window();
  }
  bool reliable() const noexcept { return reliable_; }
  duration round_trip() const noexcept { return round_trip_; }  // smoothed; 0: reliable, or not measured yet
  peer_id peer() const noexcept { return peer_; }
  std::uint32_t epoch() const noexcept { return epoch_; }
  std::uint32_t received() const noexcept { return received_; }
  std::size_t frames_held() const noexcept {
    return in_flight_.size() + waiting_.size() - withdrawn_ + bulk_.size() + held_count_ +
           (incoming_.active() ? 1 : 0);
  }
  void set_heartbeat(duration heartbeat) noexcept { timing_.heartbeat = heartbeat; }

 private:
  // Until it leaves.
  struct queued_frame {
    std::uint32_t ticket = 0;
    header head;
    frame_ref body;
    time_point deadline = never;
    outgoing_transfer transfer{};  // of a large one
    std::uint32_t calls = 0;       // in bulk_calls_
  };
  // From then until it is acknowledged: a frame, or a part of a large one.
  struct sent_frame {
    std::uint32_t ticket = 0;
    header head;
    frame_ref body;
    time_point deadline = never;
    time_point sent = 0;
    std::uint64_t order = 0;     // among all that has left, again or not
    std::size_t bulk_bytes = 0;  // that count against the window of bulk
    bool received = false;       // although frames before it are missing
    bool repeated = false;
    bulk_pace::mark pace{};  // of bulk
  };
  struct numbered_ticket {
    std::uint32_t ticket = 0;
    std::uint32_t number = 0;
  };
  struct held_frame {
    frame message;
    time_point came = 0;
    bool present = false;
  };

  bool goes_behind_bulk(header const& head, std::uint32_t calls) const;
  void forget_withdrawn() noexcept;
  void launch(time_point now, sent_frame one, outputs& out);
  void note_assigned(frame_type type, std::uint32_t ticket);
  bool bulk_may_leave() const noexcept;
  void launch_bulk(time_point now, outputs& out);
  // For how long tick() is late, if by more than a heartbeat.
  duration stood_still(time_point now) const noexcept;
  void put_off_heartbeat(time_point now) noexcept;
  time_point silent_at() const noexcept;
  time_point deaf_at() const noexcept;
  void transmit(time_point now, sent_frame& one, outputs& out);
  void transmit_waiting(time_point now, outputs& out);
  void take_acknowledged(time_point now, sent_frame& one);
  void measure(duration round_trip) noexcept;
  duration shortest_resend() const noexcept;
  bool was_overtaken(sent_frame const& one) const noexcept;
  time_point resend_at(sent_frame const& one) const noexcept;
  time_point next_resend() const noexcept;
  void forget_acknowledged(time_point now, std::uint32_t count);
  void mark_received(time_point now, std::span<std::byte const> bitmap);
  void resend(time_point now, outputs& out);
  void say_received(time_point now, frame_type type, outputs& out);
  void owe_acknowledgement(time_point now, frame const& message) noexcept;
  bool completes(time_point now, time_point came, frame& message);
  bool next_held(time_point now, frame& message);
  arrival hold(time_point now, std::uint32_t ahead, frame& message);
  void release_held() noexcept;
  void rest() noexcept;

  link_timing timing_;
  frame_limits limits_;
  bool reliable_ = true;
  peer_id peer_ = 0;
  std::uint32_t epoch_ = 0;

  std::uint32_t last_ticket_ = 0;
  std::uint32_t last_sent_ = 0;          // the highest number given
  resting_deque<sent_frame> in_flight_;  // with the numbers up to last_sent_
  resting_deque<queued_frame> waiting_;  // for the window; those without a body were withdrawn
  std::size_t withdrawn_ = 0;            // of them, between the first and the last
  call_ranges bulk_calls_;               // of bulk_
  resting_deque<queued_frame> bulk_;     // and what must not overtake them; the first one may have begun
  ring<numbered_ticket> assigned_;       // the latest assignments that have left
  std::size_t bulk_bytes_ = 0;           // of bulk in flight
  std::size_t small_bytes_ = 0;          // of small frames that have left since the last bulk
  bulk_pace pace_;
  duration round_trip_ = 0;  // smoothed; 0: not measured yet
  duration shortest_round_trip_ = never;
  duration variation_ = 0;
  std::uint64_t transmissions_ = 0;
  std::uint64_t overtakes_ = 0;  // the last one that has come, of what left once
  time_point progress_ = 0;      // when something was acknowledged last, or repeated in vain
  time_point acknowledged_at_ = 0;
  duration resend_interval_ = 0;
  time_point resend_due_ = never;

  std::uint32_t received_ = 0;  // every number up to here was delivered
  std::uint32_t highest_held_ = 0;
  std::vector<held_frame> held_;
  std::size_t held_count_ = 0;
  std::size_t held_bytes_ = 0;
  incoming_transfer incoming_;
  bool broken_ = false;
  bool lacks_payload_ = false;
  std::uint32_t owed_ = 0;      // frames received since the last acknowledgement
  std::size_t owed_bytes_ = 0;  // of bulk among them
  time_point ack_due_ = never;
  time_point heartbeat_due_ = never;
  time_point heard_ = 0;
  time_point unanswered_since_ =
      never;  // since when nothing that was sent has been acknowledged, or answered
};

// header::remaining_us is one more than the microseconds that are left, since 0 says that there is no
// deadline.
constexpr std::uint64_t to_remaining(time_point deadline, time_point now) noexcept {
  if (deadline == never) return 0;
  return deadline <= now ? 1 : 1 + static_cast<std::uint64_t>((deadline - now) / microsecond);
}
constexpr time_point from_remaining(std::uint64_t remaining, time_point now) noexcept {
  if (remaining == 0) return never;
  if (remaining - 1 > static_cast<std::uint64_t>((never - now) / microsecond)) return never;
  return now + static_cast<duration>(remaining - 1) * microsecond;
}

// How far number `a` lies ahead of `b`, in a space that wraps.
constexpr std::int32_t distance(std::uint32_t a, std::uint32_t b) noexcept {
  return static_cast<std::int32_t>(a - b);
}

inline time_point add(time_point when, duration after) noexcept {
  if (YONDER_MUTANT(times_overflow) && after == never)
    return static_cast<time_point>(static_cast<std::uint64_t>(when) + static_cast<std::uint64_t>(after));
  return after > never - when ? never : when + after;
}

}  // namespace yonder::core
