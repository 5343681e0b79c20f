// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <deque>

namespace yonder::core {

// One end of a session between two cores: delivers the numbered frames of the other end once each and in
// their order, whatever an unreliable connection loses, repeats, delays or reorders. Numbered are call,
// assign, cancel, result, error and drain; hello, welcome, ack, heartbeat and bye are not. On a reliable
// connection a link only counts.
class link {
 public:
  static constexpr std::uint32_t window = 1024;  // numbered frames on their way
  static constexpr std::size_t max_held_bytes = std::size_t{64}
                                                << 20;  // of frames that came before their turn

  // What became of a numbered frame that came.
  enum class arrival : std::uint8_t { deliver, held, repeated, dropped };

  link() = default;
  link(bool reliable, link_timing const& timing) : timing_(timing), reliable_(reliable) {}

  // Begins a session: forgets what was, stamps `epoch` on every frame from now on.
  void open(time_point now, peer_id peer, std::uint32_t epoch);
  // The session goes on over another connection; the other end says how far it has received.
  void resume(time_point now, peer_id peer, std::uint32_t received, outputs& out);
  // The connection ended; numbered frames wait for resume().
  void detach() noexcept { peer_ = 0; }
  void redirect(peer_id peer) noexcept { peer_ = peer; }

  // Sends, or keeps until the window opens. With a deadline, the header says what remains of it whenever the
  // frame leaves. Returns the frame's number.
  std::uint32_t send(time_point now, header head, frame_ref body, time_point deadline, outputs& out);
  // Sends a frame without a number, if a connection stands.
  void send_unnumbered(time_point now, frame message, outputs& out);

  // Takes a numbered frame; `deliver`: its turn has come, and then that of each frame that next() returns.
  arrival arrived(time_point now, frame& message);
  bool next(time_point now, frame& message);
  // Takes what an ack or a heartbeat says. False: it acknowledges what was never sent.
  bool acknowledged(time_point now, frame const& message, outputs& out);
  void heard(time_point now) noexcept { heard_ = now; }

  // Acknowledges, repeats and says that it lives, as far as the time has come.
  void tick(time_point now, outputs& out);
  time_point next_deadline() const noexcept;
  bool dead(time_point now) const noexcept { return !reliable_ && now >= dead_at(); }
  time_point dead_at() const noexcept;

  bool was_transmitted(std::uint32_t sequence) const noexcept;
  bool crowded() const noexcept { return unacknowledged_.size() >= window; }
  // Every frame up to this number of send() was received by the other end; all, where nothing is lost.
  std::uint32_t settled() const noexcept {
    return last_sent_ - static_cast<std::uint32_t>(unacknowledged_.size());
  }
  bool all_acknowledged() const noexcept { return unacknowledged_.empty(); }
  bool reliable() const noexcept { return reliable_; }
  peer_id peer() const noexcept { return peer_; }
  std::uint32_t epoch() const noexcept { return epoch_; }
  std::uint32_t received() const noexcept { return received_; }
  std::size_t frames_held() const noexcept { return unacknowledged_.size() + held_count_; }
  void set_heartbeat(duration heartbeat) noexcept { timing_.heartbeat = heartbeat; }

 private:
  struct sent_frame {
    header head;
    frame_ref body;
    time_point deadline = never;
    time_point sent = 0;
    bool received = false;  // although frames before it are missing
  };
  struct held_frame {
    frame message;
    time_point came = 0;
    bool present = false;
  };

  void transmit(time_point now, sent_frame& one, outputs& out);
  void transmit_waiting(time_point now, outputs& out);
  void forget_acknowledged(time_point now, std::uint32_t count);
  void mark_received(std::span<std::byte const> bitmap);
  void resend(time_point now, outputs& out);
  void say_received(time_point now, frame_type type, outputs& out);
  void owe_acknowledgement(time_point now) noexcept;
  arrival hold(time_point now, std::uint32_t ahead, frame& message);
  void release_held() noexcept;

  link_timing timing_;
  bool reliable_ = true;
  peer_id peer_ = 0;
  std::uint32_t epoch_ = 0;

  std::uint32_t last_sent_ = 0;            // the highest number given
  std::deque<sent_frame> unacknowledged_;  // with the numbers up to last_sent_
  std::size_t transmitted_ = 0;            // so many of them, from the front, have left at least once
  duration resend_interval_ = 0;
  time_point resend_due_ = never;

  std::uint32_t received_ = 0;  // every number up to here was delivered
  std::uint32_t highest_held_ = 0;
  std::vector<held_frame> held_;
  std::size_t held_count_ = 0;
  std::size_t held_bytes_ = 0;
  std::uint32_t owed_ = 0;  // frames received since the last acknowledgement
  time_point ack_due_ = never;
  time_point heartbeat_due_ = never;
  time_point heard_ = 0;
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

constexpr time_point add(time_point when, duration after) noexcept {
  return after > never - when ? never : when + after;
}

}  // namespace yonder::core
