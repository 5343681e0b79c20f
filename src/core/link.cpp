// SPDX-License-Identifier: Apache-2.0
#include "src/core/link.hpp"

#include "src/core/metadata.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>

namespace yonder::core {
namespace {

constexpr int max_resend_growth = 8;
constexpr std::size_t max_resends_at_once = 128;

void state_remaining(header& head, time_point deadline, time_point now) {
  if (deadline != never) head.remaining_us = to_remaining(deadline, now);
}

// A frame that waited here for its turn has less time left than it said.
void shorten_remaining(header& head, duration waited) {
  if (head.remaining_us == 0 || waited <= 0) return;
  auto const spent = static_cast<std::uint64_t>(waited / microsecond);
  head.remaining_us = head.remaining_us > spent ? head.remaining_us - spent : 1;
}

}  // namespace

void link::open(time_point now, peer_id peer, std::uint32_t epoch) {
  peer_ = peer;
  epoch_ = epoch;
  last_sent_ = received_ = highest_held_ = 0;
  unacknowledged_.clear();
  transmitted_ = 0;
  release_held();
  owed_ = 0;
  resend_interval_ = timing_.resend_after;
  resend_due_ = ack_due_ = never;
  heartbeat_due_ = reliable_ ? never : add(now, timing_.heartbeat);
  heard_ = now;
}

void link::release_held() noexcept {
  held_.clear();
  held_count_ = held_bytes_ = 0;
}

void link::resume(time_point now, peer_id peer, std::uint32_t received, outputs& out) {
  peer_ = peer;
  heard_ = now;
  heartbeat_due_ = add(now, timing_.heartbeat);
  auto const first = last_sent_ - static_cast<std::uint32_t>(unacknowledged_.size());
  auto const count = distance(received, first);
  if (count > 0 && static_cast<std::size_t>(count) <= transmitted_) {
    forget_acknowledged(now, static_cast<std::uint32_t>(count));
  }
  for (std::size_t i = 0; i < transmitted_; ++i) {
    if (!unacknowledged_[i].received) transmit(now, unacknowledged_[i], out);
  }
  transmit_waiting(now, out);
}

std::uint32_t link::send(time_point now, header head, frame_ref body, time_point deadline, outputs& out) {
  head.epoch = epoch_;
  head.sequence = ++last_sent_;
  if (reliable_) {
    state_remaining(head, deadline, now);
    out.emplace_back(out::send{peer_, head, std::move(body)});
    return last_sent_;
  }
  unacknowledged_.push_back({head, std::move(body), deadline, 0, false});
  transmit_waiting(now, out);
  return last_sent_;
}

void link::send_unnumbered(time_point now, frame message, outputs& out) {
  if (peer_ == 0) return;
  message.head.epoch = epoch_;
  if (!reliable_) heartbeat_due_ = add(now, timing_.heartbeat);
  auto const head = message.head;
  out.emplace_back(out::send{peer_, head, frame_ref(std::move(message))});
}

void link::transmit(time_point now, sent_frame& one, outputs& out) {
  state_remaining(one.head, one.deadline, now);
  one.sent = now;
  heartbeat_due_ = add(now, timing_.heartbeat);
  out.emplace_back(out::send{peer_, one.head, one.body});
}

void link::transmit_waiting(time_point now, outputs& out) {
  if (peer_ == 0) return;
  while (transmitted_ < unacknowledged_.size() && transmitted_ < window) {
    transmit(now, unacknowledged_[transmitted_], out);
    ++transmitted_;
  }
  if (transmitted_ != 0 && resend_due_ == never) resend_due_ = add(now, resend_interval_);
}

bool link::was_transmitted(std::uint32_t sequence) const noexcept {
  auto const first_waiting =
      last_sent_ - static_cast<std::uint32_t>(unacknowledged_.size() - transmitted_) + 1;
  return distance(sequence, first_waiting) < 0;
}

void link::forget_acknowledged(time_point now, std::uint32_t count) {
  unacknowledged_.erase(unacknowledged_.begin(), unacknowledged_.begin() + count);
  transmitted_ -= count;
  resend_interval_ = timing_.resend_after;
  resend_due_ =
      transmitted_ == 0 ? never : std::max(now, add(unacknowledged_.front().sent, resend_interval_));
}

void link::mark_received(std::span<std::byte const> bitmap) {
  auto const bits = std::min(bitmap.size() * 8, transmitted_);
  for (std::size_t i = 0; i < bits; ++i) {
    if ((bitmap[i / 8] & (std::byte{1} << (i % 8))) == std::byte{0}) continue;
    unacknowledged_[i].received = true;
    unacknowledged_[i].body = {};
  }
}

bool link::acknowledged(time_point now, frame const& message, outputs& out) {
  std::span<std::byte const> bitmap;
  if (!read_received(message, bitmap)) return false;
  if (reliable_ || YONDER_MUTANT(acknowledgement_forgotten)) return true;
  auto const first = last_sent_ - static_cast<std::uint32_t>(unacknowledged_.size());
  auto const count = distance(message.head.sequence, first);
  if (count < 0) return true;  // an old one, overtaken
  if (static_cast<std::size_t>(count) > transmitted_) return false;
  if (count > 0) forget_acknowledged(now, static_cast<std::uint32_t>(count));
  mark_received(bitmap);
  transmit_waiting(now, out);
  return true;
}

link::arrival link::arrived(time_point now, frame& message) {
  if (reliable_) {
    ++received_;
    return arrival::deliver;
  }
  auto const ahead = distance(message.head.sequence, received_);
  if (ahead > static_cast<std::int32_t>(window)) return arrival::dropped;
  owe_acknowledgement(now);
  if (ahead <= 0) return YONDER_MUTANT(repetition_delivered) ? arrival::deliver : arrival::repeated;
  if (ahead > 1) return hold(now, static_cast<std::uint32_t>(ahead), message);
  ++received_;
  return arrival::deliver;
}

link::arrival link::hold(time_point now, std::uint32_t ahead, frame& message) {
  if (held_.empty()) held_.resize(window);
  auto& place = held_[(received_ + ahead) % window];
  if (place.present) return arrival::repeated;
  auto const size = size_of(message);
  if (size > max_held_bytes - held_bytes_) return arrival::dropped;
  if (held_count_ == 0 || distance(message.head.sequence, highest_held_) > 0)
    highest_held_ = message.head.sequence;
  place = {std::move(message), now, true};
  ++held_count_;
  held_bytes_ += size;
  return arrival::held;
}

bool link::next(time_point now, frame& message) {
  if (held_count_ == 0) return false;
  auto& place = held_[(received_ + 1) % window];
  if (!place.present) return false;
  message = std::move(place.message);
  shorten_remaining(message.head, now - place.came);
  place = {};
  --held_count_;
  held_bytes_ -= size_of(message);
  ++received_;
  return true;
}

void link::owe_acknowledgement(time_point now) noexcept {
  ++owed_;
  if (ack_due_ == never) ack_due_ = add(now, timing_.ack_delay);
  if (owed_ >= window / 4) ack_due_ = now;
}

void link::say_received(time_point now, frame_type type, outputs& out) {
  owed_ = 0;
  ack_due_ = never;
  auto message = make_control(type);
  message.head.sequence = received_;
  if (held_count_ != 0) {
    auto const bits = static_cast<std::size_t>(distance(highest_held_, received_));
    std::vector<std::byte> bitmap((bits + 7) / 8);
    for (std::size_t i = 0; i < bits; ++i) {
      if (held_[(received_ + 1 + i) % window].present) bitmap[i / 8] |= std::byte{1} << (i % 8);
    }
    byte_buffer body;
    write_received(body, bitmap);
    message.body = std::move(body);
    message.head.metadata_size = static_cast<std::uint32_t>(message.body.size());
  }
  send_unnumbered(now, std::move(message), out);
}

void link::resend(time_point now, outputs& out) {
  auto oldest = now;
  std::size_t resent = 0;
  for (std::size_t i = 0; i < transmitted_; ++i) {
    auto& one = unacknowledged_[i];
    if (one.received) continue;
    if (resent < max_resends_at_once && add(one.sent, resend_interval_) <= now) {
      if (!YONDER_MUTANT(resend_forgotten)) transmit(now, one, out);
      one.sent = now;
      ++resent;
    }
    oldest = std::min(oldest, one.sent);
  }
  if (resent != 0)
    resend_interval_ = std::min(resend_interval_ * 2, timing_.resend_after * max_resend_growth);
  resend_due_ =
      transmitted_ == 0 ? never : std::max(add(oldest, resend_interval_), add(now, timing_.ack_delay));
}

void link::tick(time_point now, outputs& out) {
  if (reliable_ || peer_ == 0) return;
  if (resend_due_ <= now) resend(now, out);
  if (ack_due_ <= now) say_received(now, frame_type::ack, out);
  if (heartbeat_due_ <= now) say_received(now, frame_type::heartbeat, out);
}

time_point link::next_deadline() const noexcept {
  if (reliable_) return never;
  if (peer_ == 0) return dead_at();
  return std::min({resend_due_, ack_due_, heartbeat_due_, dead_at()});
}

time_point link::dead_at() const noexcept {
  if (reliable_ || timing_.heartbeat > never / timing_.missed) return never;
  return add(heard_, timing_.missed * timing_.heartbeat);
}

}  // namespace yonder::core
