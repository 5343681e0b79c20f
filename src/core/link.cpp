// SPDX-License-Identifier: Apache-2.0
#include "src/core/link.hpp"

#include "src/core/check.hpp"
#include "src/core/items.hpp"
#include "src/core/metadata.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>
#include <cstdlib>
#include <iterator>

namespace yonder::core {
namespace {

constexpr int max_resend_growth = 8;
constexpr std::size_t max_resends_at_once = 128;

void state_remaining(header& head, time_point deadline, time_point now) {
  if (deadline != never) head.remaining_us = to_remaining(deadline, now);
}

// Where a frame with this ticket is, if it is there: tickets rise.
template <class Queue>
auto find(Queue& queue, std::uint32_t ticket) noexcept {
  return std::lower_bound(queue.begin(), queue.end(), ticket,
                          [](auto const& one, auto wanted) { return distance(one.ticket, wanted) < 0; });
}

template <class Queue, class Place>
bool holds(Queue const& queue, Place place, std::uint32_t ticket) noexcept {
  return place != queue.end() && place->ticket == ticket && place->body;
}

// How many calls a frame is about.
std::uint32_t calls_of(header const& head, frame const& message) {
  if (head.type == frame_type::stream_items) return 1;
  return std::max(read_item_count(message), std::uint32_t{1});
}

bool is_before(std::uint32_t ticket, std::uint32_t other) noexcept { return distance(ticket, other) < 0; }

}  // namespace

void link::open(time_point now, peer_id peer, std::uint32_t epoch) {
  peer_ = peer;
  epoch_ = epoch;
  last_ticket_ = last_sent_ = received_ = highest_held_ = 0;
  in_flight_.clear();
  waiting_.clear();
  withdrawn_ = 0;
  bulk_.clear();
  bulk_calls_.clear();
  assigned_.clear();
  bulk_bytes_ = small_bytes_ = 0;
  release_held();
  incoming_.reset();
  broken_ = lacks_payload_ = false;
  owed_ = 0;
  owed_bytes_ = 0;
  round_trip_ = variation_ = 0;
  shortest_round_trip_ = never;
  pace_ = {};
  transmissions_ = overtakes_ = 0;
  progress_ = acknowledged_at_ = 0;
  resend_interval_ = timing_.resend_after;
  resend_due_ = ack_due_ = never;
  heartbeat_due_ = reliable_ ? never : add(now, timing_.heartbeat);
  heard_ = now;
  unanswered_since_ = never;
}

void link::release_held() noexcept {
  held_.clear();
  held_count_ = held_bytes_ = 0;
}

void link::resume(time_point now, peer_id peer, std::uint32_t received, outputs& out) {
  peer_ = peer;
  heard_ = now;
  heartbeat_due_ = add(now, timing_.heartbeat);
  auto const first = last_sent_ - static_cast<std::uint32_t>(in_flight_.size());
  auto const count = distance(received, first);
  if (count > 0 && static_cast<std::size_t>(count) <= in_flight_.size())
    forget_acknowledged(now, static_cast<std::uint32_t>(count));
  for (auto& one : in_flight_) {
    one.repeated = true;
    if (!one.received) transmit(now, one, out);
  }
  transmit_waiting(now, out);
}

// --- sending

std::uint32_t link::send(time_point now, header const& stated, frame_ref body, time_point deadline,
                         outputs& out) {
  if (reliable_) {
    auto& made = std::get<out::send>(out.emplace_back(std::in_place_type<out::send>));
    made.peer = peer_;
    made.head = stated;
    made.body = std::move(body);
    made.head.epoch = epoch_;
    made.head.sequence = ++last_sent_;
    state_remaining(made.head, deadline, now);
    return last_sent_;
  }
  auto head = stated;
  head.epoch = epoch_;
  // Items of a stream overtake each other in neither queue.
  auto const in_order = head.type == frame_type::stream_items;
  auto const calls = in_order || is_bulk(*body) || !bulk_.empty() ? calls_of(head, *body) : 0;
  auto const is_last =
      is_bulk(*body) || (in_order ? !YONDER_MUTANT(items_overtake) : goes_behind_bulk(head, calls));
  own_buffers(*body);
  if (needs_transfer(*body)) share_body(*body);
  if (is_last) {
    bulk_calls_.add(head.call, calls);
    try {
      bulk_.push_back({++last_ticket_, head, std::move(body), deadline, {}, calls});
    } catch (...) {
      bulk_calls_.remove(head.call, calls);
      throw;
    }
  } else {
    waiting_.push_back({++last_ticket_, head, std::move(body), deadline});
  }
  transmit_waiting(now, out);
  return last_ticket_;
}

// What is said of a call that is still to come waits until it has come.
bool link::goes_behind_bulk(header const& head, std::uint32_t calls) const {
  if (bulk_.empty()) return false;
  return head.type == frame_type::drain || bulk_calls_.overlaps(head.call, calls);
}

void link::send_unnumbered(time_point now, frame message, outputs& out) {
  if (peer_ == 0) return;
  message.head.epoch = epoch_;
  put_off_heartbeat(now);
  auto const head = message.head;
  out.emplace_back(out::send{peer_, head, frame_ref(std::move(message))});
}

void link::transmit(time_point now, sent_frame& one, outputs& out) {
  state_remaining(one.head, one.deadline, now);
  one.sent = now;
  one.order = ++transmissions_;
  if (unanswered_since_ == never) unanswered_since_ = now;
  put_off_heartbeat(now);
  out.emplace_back(out::send{peer_, one.head, one.body});
}

void link::launch(time_point now, sent_frame one, outputs& out) {
  one.head.epoch = epoch_;
  one.head.sequence = ++last_sent_;
  note_assigned(one.head.type, one.ticket);
  in_flight_.push_back(std::move(one));
  transmit(now, in_flight_.back(), out);
}

// Bulk takes turns with as many bytes of small frames.
void link::transmit_waiting(time_point now, outputs& out) {
  if (peer_ == 0) return;
  while (in_flight_.size() < window) {
    if (bulk_.empty() && waiting_.empty()) break;
    in_flight_.wake();  // or what is taken from its queue would be nowhere
    if (bulk_may_leave() && (waiting_.empty() || small_bytes_ >= chunk_size)) {
      launch_bulk(now, out);
    } else if (!waiting_.empty()) {
      auto next = std::move(waiting_.front());
      waiting_.pop_front();
      forget_withdrawn();
      small_bytes_ += bulk_.empty() ? 0 : size_of(*next.body);
      launch(now, {next.ticket, next.head, std::move(next.body), next.deadline}, out);
    } else {
      break;
    }
  }
  if (!in_flight_.empty() && resend_due_ == never) resend_due_ = resend_at(in_flight_.front());
}

// Small frames that waited behind bulk take no room.
bool link::bulk_may_leave() const noexcept {
  if (bulk_.empty()) return false;
  return bulk_bytes_ < pace_.window() || !is_bulk(*bulk_.front().body) || YONDER_MUTANT(bulk_window_ignored);
}

// The first bulk frame, or its next part.
void link::launch_bulk(time_point now, outputs& out) {
  small_bytes_ = 0;
  auto& first = bulk_.front();
  sent_frame one{first.ticket, first.head, first.body, first.deadline};
  auto done = true;
  if (needs_transfer(*first.body)) {
    if (first.transfer.begun()) one.deadline = never;
    auto part = first.transfer.next(first.head, *first.body, pace_.chunk());
    one.head = part.head;
    one.body = frame_ref(std::move(part));
    done = first.transfer.done(*first.body);
  }
  one.bulk_bytes = size_of(*one.body);
  bulk_bytes_ += one.bulk_bytes;
  one.pace = pace_.leaves(now, one.bulk_bytes, bulk_bytes_);
  auto const whole = done ? first.head.type : frame_type::chunk;
  if (done && first.calls != 0) bulk_calls_.remove(first.head.call, first.calls);
  if (done) bulk_.pop_front();
  auto const is_chunk = one.head.type == frame_type::chunk;
  auto const ticket = one.ticket;
  launch(now, std::move(one), out);
  if (is_chunk) note_assigned(whole, ticket);
}

void link::note_assigned(frame_type type, std::uint32_t ticket) {
  if (type != frame_type::assign) return;
  if (assigned_.size() == window) assigned_.pop_front();
  assigned_.push_back({ticket, last_sent_});
}

std::optional<std::uint32_t> link::number_of(std::uint32_t ticket) const noexcept {
  if (reliable_) return ticket;
  if (!was_transmitted(ticket)) return {};
  for (auto i = assigned_.size(); i-- != 0;)
    if (assigned_[i].ticket == ticket) return assigned_[i].number;
  return assigned_.empty() ? std::uint32_t{0} : assigned_.front().number - 1;
}

bool link::was_transmitted(std::uint32_t ticket) const noexcept {
  return !holds(waiting_, find(waiting_, ticket), ticket) && !holds(bulk_, find(bulk_, ticket), ticket);
}

// Numbered frames are delivered in the order of their numbers, and those up to the acknowledged one are held
// no longer. The latest first: it is asked for most, and hundreds may be in flight.
bool link::was_delivered(std::uint32_t ticket) const noexcept {
  return reliable_ || (was_transmitted(ticket) &&
                       std::none_of(std::make_reverse_iterator(in_flight_.end()),
                                    std::make_reverse_iterator(in_flight_.begin()),
                                    [&](sent_frame const& one) { return one.ticket == ticket; }));
}

bool link::withdraw(time_point now, std::uint32_t ticket, outputs& out) {
  if (auto const one = find(waiting_, ticket); holds(waiting_, one, ticket)) {
    one->body = {};
    ++withdrawn_;
    forget_withdrawn();
    YONDER_REACHED(withdrawn);
    return true;
  }
  auto const one = find(bulk_, ticket);
  if (!holds(bulk_, one, ticket) || one->head.type == frame_type::chunk) return false;
  bulk_calls_.remove(one->head.call, one->calls);
  if (!one->transfer.begun()) {
    YONDER_REACHED(withdrawn);
    bulk_.erase(one);
  } else if (!YONDER_MUTANT(withdrawal_unsaid)) {
    // In its place, so that it leaves before the next one is announced.
    YONDER_REACHED(transfer_withdrawn);
    auto nothing_more = make_control(frame_type::chunk);
    nothing_more.head.flags = flag_withdrawn;
    auto const head = nothing_more.head;
    *one = {ticket, head, frame_ref(std::move(nothing_more)), never, {}};
  } else {
    bulk_.erase(one);
  }
  transmit_waiting(now, out);
  return true;
}

// The first one and the last one were not.
void link::forget_withdrawn() noexcept {
  for (; !waiting_.empty() && !waiting_.front().body; --withdrawn_) waiting_.pop_front();
  for (; !waiting_.empty() && !waiting_.back().body; --withdrawn_) waiting_.pop_back();
}

std::uint32_t link::settled() const noexcept {
  if (reliable_) return last_sent_;
  auto first_open = last_ticket_ + 1;
  auto const look_at = [&](std::uint32_t ticket) {
    if (is_before(ticket, first_open)) first_open = ticket;
  };
  if (!waiting_.empty()) look_at(waiting_.front().ticket);
  if (!bulk_.empty()) look_at(bulk_.front().ticket);
  for (auto const& one : in_flight_)
    if (!one.received) look_at(one.ticket);
  return first_open - 1;
}

// --- acknowledgements

// Jacobson's and Karels' estimate (RFC 6298), from frames that were sent once: until there is one, the
// doubled interval stays.
void link::measure(duration round_trip) noexcept {
  shortest_round_trip_ = std::min(shortest_round_trip_, round_trip);
  if (round_trip_ == 0) {
    round_trip_ = round_trip;
    variation_ = round_trip / 2;
  } else {
    variation_ += (std::abs(round_trip - round_trip_) - variation_) / 4;
    round_trip_ += (round_trip - round_trip_) / 8;
  }
  resend_interval_ = shortest_resend();
}

duration link::shortest_resend() const noexcept {
  return std::max(timing_.resend_after, round_trip_ + 4 * variation_);
}

// What came was sent once, so that it is known which copy did.
bool link::was_overtaken(sent_frame const& one) const noexcept { return one.order < overtakes_; }

// Whatever is acknowledged starts the time anew for what may be on its way behind it (RFC 6298, 5.3).
time_point link::resend_at(sent_frame const& one) const noexcept {
  if (was_overtaken(one)) return add(one.sent, shortest_resend());
  return add(std::max(one.sent, progress_), resend_interval_);
}

time_point link::next_resend() const noexcept {
  auto next = never;
  for (auto const& one : in_flight_)
    if (!one.received) next = std::min(next, resend_at(one));
  return next;
}

void link::take_acknowledged(time_point now, sent_frame& one) {
  YONDER_CHECK(bulk_bytes_ >= one.bulk_bytes, "more of the bulk has arrived than was sent");
  if (!one.received) unanswered_since_ = progress_ = acknowledged_at_ = now;
  if (!one.received && !one.repeated) {
    overtakes_ = std::max(overtakes_, one.order);
    measure(now - one.sent);
    if (one.bulk_bytes != 0)
      pace_.arrived(now, one.pace, one.bulk_bytes, now - one.sent, shortest_round_trip_);
  }
  bulk_bytes_ -= std::exchange(one.bulk_bytes, 0);
}

void link::forget_acknowledged(time_point now, std::uint32_t count) {
  for (std::uint32_t i = 0; i < count; ++i) {
    take_acknowledged(now, in_flight_.front());
    in_flight_.pop_front();
  }
  resend_due_ = in_flight_.empty() ? never : std::max(now, resend_at(in_flight_.front()));
  if (in_flight_.empty()) unanswered_since_ = never;
}

void link::mark_received(time_point now, std::span<std::byte const> bitmap) {
  if (bitmap.empty()) return;
  auto const bits = std::min(bitmap.size() * 8, in_flight_.size());
  for (std::size_t i = 0; i < bits; ++i) {
    if ((bitmap[i / 8] & (std::byte{1} << (i % 8))) == std::byte{0}) continue;
    take_acknowledged(now, in_flight_[i]);
    in_flight_[i].received = true;
    in_flight_[i].body = {};
  }
  resend_due_ = in_flight_.empty() ? never : std::max(now, next_resend());
}

bool link::acknowledged(time_point now, frame const& message, outputs& out) {
  std::span<std::byte const> bitmap;
  if (!read_received(message, bitmap)) return false;
  if (reliable_ || YONDER_MUTANT(acknowledgement_forgotten)) return true;
  auto const first = last_sent_ - static_cast<std::uint32_t>(in_flight_.size());
  auto const count = distance(message.head.sequence, first);
  if (count < 0) return true;  // an old one, overtaken
  if (static_cast<std::size_t>(count) > in_flight_.size()) return false;
  if (count > 0) forget_acknowledged(now, static_cast<std::uint32_t>(count));
  mark_received(now, bitmap);
  transmit_waiting(now, out);
  return true;
}

// --- receiving

link::arrival link::arrived(time_point now, frame& message) {
  if (reliable_) {
    ++received_;
    broken_ = broken_ || message.head.type == frame_type::chunk;  // there a large frame is one
    return broken_ ? arrival::absorbed : arrival::deliver;
  }
  auto const ahead = distance(message.head.sequence, received_);
  if (ahead > static_cast<std::int32_t>(window)) return arrival::dropped;
  owe_acknowledgement(now, message);
  if (ahead <= 0) return YONDER_MUTANT(repetition_delivered) ? arrival::deliver : arrival::repeated;
  if (ahead > 1) return hold(now, static_cast<std::uint32_t>(ahead), message);
  ++received_;
  return completes(now, now, message) || next(now, message) ? arrival::deliver : arrival::absorbed;
}

// Whether `message`, whose turn has come, is a frame to deliver: a small one, or a large one that was put
// together with its last chunk.
bool link::completes(time_point now, time_point came, frame& message) {
  if (message.head.type != frame_type::chunk) {
    lacks_payload_ = false;
    shorten_remaining(message.head, now - came);
    return true;
  }
  auto const progress = incoming_.take(came, message, limits_);
  if (progress == incoming_transfer::progress::going_on) return false;
  broken_ = broken_ || progress == incoming_transfer::progress::broken;
  if (broken_) return false;
  YONDER_REACHED(put_together);
  message = incoming_.finish(now);
  lacks_payload_ = incoming_.came_without_payload();
  message.head.sequence = received_;  // of its last chunk: frames that overtook it came before
  return true;
}

link::arrival link::hold(time_point now, std::uint32_t ahead, frame& message) {
  if (held_.empty()) held_.resize(window);
  auto& place = held_[(received_ + ahead) % window];
  if (place.present) return arrival::repeated;
  auto const size = size_of(message);
  if (size > max_held_bytes - held_bytes_) return arrival::dropped;
  if (held_count_ == 0 || distance(message.head.sequence, highest_held_) > 0)
    highest_held_ = message.head.sequence;
  YONDER_REACHED(out_of_order);
  place = {std::move(message), now, true};
  ++held_count_;
  held_bytes_ += size;
  return arrival::held;
}

bool link::next_held(time_point now, frame& message) {
  while (held_count_ != 0 && !broken_) {
    auto& place = held_[(received_ + 1) % window];
    if (!place.present) return false;
    message = std::move(place.message);
    auto const came = place.came;
    place = {};
    --held_count_;
    held_bytes_ -= size_of(message);
    ++received_;
    if (completes(now, came, message)) return true;
  }
  return false;
}

// Bulk is acknowledged often: what follows waits for it.
void link::owe_acknowledgement(time_point now, frame const& message) noexcept {
  ++owed_;
  owed_bytes_ += is_bulk(message) ? size_of(message) : 0;
  if (ack_due_ == never) ack_due_ = add(now, timing_.ack_delay);
  if (owed_ >= window / 4 || owed_bytes_ >= bulk_pace::acknowledged || YONDER_RARELY()) ack_due_ = now;
}

void link::say_received(time_point now, frame_type type, outputs& out) {
  owed_ = 0;
  owed_bytes_ = 0;
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

// What was overtaken is lost. The rest may be on its way still, on a slow connection, which would be slower
// by all that is sent again: a chunk's bytes of it at a time.
void link::resend(time_point now, outputs& out) {
  std::size_t resent = 0;
  std::size_t late_bytes = 0;
  for (auto& one : in_flight_) {
    auto const early = resend_at(one) > now && (one.bulk_bytes != 0 || !YONDER_RARELY());
    if (one.received || early) continue;
    auto const late = !was_overtaken(one);
    if (late && late_bytes >= pace_.chunk()) continue;
    if (resent++ == max_resends_at_once) break;
    if (late) late_bytes += size_of(*one.body);
    YONDER_REACHED(resent);
    if (!YONDER_MUTANT(resend_forgotten)) transmit(now, one, out);
    one.sent = now;
    one.repeated = true;
  }
  if (late_bytes != 0) {
    progress_ = now;
    resend_interval_ = std::min(resend_interval_ * 2, shortest_resend() * max_resend_growth);
  }
  resend_due_ = in_flight_.empty() ? never : std::max(next_resend(), add(now, timing_.ack_delay));
}

void link::tick(time_point now, outputs& out) {
  if (reliable_ || peer_ == 0) return;
  if (resend_due_ <= now) resend(now, out);
  if (ack_due_ <= now) say_received(now, frame_type::ack, out);
  if (heartbeat_due_ > now) return;
  rest();
  say_received(now, frame_type::heartbeat, out);
}

// Nothing was to be said for a while: what that takes is given back.
void link::rest() noexcept {
  in_flight_.rest();
  waiting_.rest();
  bulk_.rest();
  if (held_count_ == 0) std::vector<held_frame>().swap(held_);
}

time_point link::next_deadline() const noexcept {
  if (reliable_) return never;
  if (peer_ == 0) return dead_at();
  return std::min({resend_due_, ack_due_, heartbeat_due_, dead_at()});
}

duration link::stood_still(time_point now) const noexcept {
  auto const late = peer_ == 0 || heartbeat_due_ >= now ? 0 : now - heartbeat_due_;
  if (late <= timing_.heartbeat || YONDER_MUTANT(stillness_is_silence)) return 0;
  YONDER_REACHED(stood_still);
  return late;
}

void link::put_off_heartbeat(time_point now) noexcept {
  if (reliable_) return;
  auto const still = stood_still(now);
  heard_ = std::min(now, heard_ + still);  // what has come since then was heard
  if (unanswered_since_ != never) unanswered_since_ = std::min(now, unanswered_since_ + still);
  heartbeat_due_ = add(now, timing_.heartbeat);
}

time_point link::quiet_at() const noexcept {
  return reliable_ ? never : add(heard_, add(timing_.heartbeat, timing_.heartbeat / 4));
}

time_point link::silent_at() const noexcept {
  if (reliable_ || timing_.heartbeat > never / timing_.missed) return never;
  return add(heard_, timing_.missed * timing_.heartbeat);
}

// Twice as long: what waits behind bulk is not acknowledged soon.
time_point link::deaf_at() const noexcept {
  auto const kept = YONDER_MUTANT(deaf_peer_kept) || unanswered_since_ == never;
  if (kept || reliable_ || timing_.heartbeat > never / 2 / timing_.missed) return never;
  return add(unanswered_since_, 2 * timing_.missed * timing_.heartbeat);
}

time_point link::dead_at() const noexcept { return std::min(silent_at(), deaf_at()); }

}  // namespace yonder::core
