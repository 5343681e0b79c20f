// SPDX-License-Identifier: Apache-2.0
#include "transports/inproc/inproc_endpoint.hpp"

#include <algorithm>
#include <array>
#include <atomic>
#include <cstddef>
#include <iterator>
#include <mutex>
#include <utility>

#include "transports/events.hpp"

namespace yonder::transport {

struct inproc_endpoint::queued_message {
  enum class kind : std::uint8_t { connect, content, end };
  kind what{};
  std::shared_ptr<link> connection;
  std::size_t side = 0;  // of the receiver
  frame content;
};

struct inproc_endpoint::mailbox {
  // Under the mutex, so that who has armed it can take it back.
  void ring() {
    if (auto* const ringing = std::exchange(bell, nullptr)) ringing->ring();
  }

  std::mutex mutex;
  // Guarded by mutex:
  bool open = true;
  bool has_room = false;     // a peer took something while a send() of ours waited for room
  doorbell* bell = nullptr;  // of an owner who sleeps
  std::vector<queued_message> messages;
};

struct inproc_endpoint::link {
  struct side {
    address box;
    peer_id id = 0;                      // 0: not told yet, or closed; touched by this side only
    std::atomic<std::size_t> unread{0};  // bytes on the way to this side
    std::atomic<bool> awaited{false};    // the other side was refused and waits for room
  };
  std::array<side, 2> sides;
};

namespace {

frame independent_copy(frame const& message) {
  frame copy{message.head, message.body.duplicate(), message.buffers};
  copy.head.buffer_count = static_cast<std::uint32_t>(copy.buffers.size());
  for (auto& part : copy.buffers) {
    if (part.borrowed()) part = detail::owned_copy(part.bytes());
  }
  return copy;
}

}  // namespace

inproc_endpoint::inproc_endpoint(limits const& bounds) : bounds_(bounds), box_(std::make_shared<mailbox>()) {}

inproc_endpoint::~inproc_endpoint() {
  while (!peers_.empty()) close(peers_.begin()->first);
  std::vector<queued_message> unopened(
      std::move_iterator(taken_.begin() + static_cast<std::ptrdiff_t>(read_)),
      std::move_iterator(taken_.end()));
  {
    std::lock_guard const lock(box_->mutex);
    box_->open = false;
    box_->bell = nullptr;
    std::move(box_->messages.begin(), box_->messages.end(), std::back_inserter(unopened));
    box_->messages.clear();
  }
  for (auto& each : unopened) {
    if (each.what == queued_message::kind::connect)
      post({each.connection, each.side}, {queued_message::kind::end, {}, 0, {}});
  }
}

peer_id inproc_endpoint::connect(address const& to) {
  peer const added{std::make_shared<link>(), 0};
  added.connection->sides[0].box = box_;
  added.connection->sides[1].box = to;
  auto const id = add(added);
  if (post(added, {queued_message::kind::connect, {}, 0, {}})) {
    news_.push_back(event::connected(id));
  } else {
    peers_.erase(id);
    news_.push_back(event::lost(id, "nobody is at the other end any more"));
  }
  return id;
}

peer_id inproc_endpoint::add(peer of) {
  auto const id = ++drawn_;
  of.connection->sides[of.side].id = id;
  peers_.emplace(id, std::move(of));
  return id;
}

// Puts a message into the mailbox of the other side; false if that is closed.
bool inproc_endpoint::post(peer const& from, queued_message one) {
  one.connection = from.connection;
  one.side = 1 - from.side;
  auto& box = *from.connection->sides[one.side].box;
  std::lock_guard const lock(box.mutex);
  if (!box.open) return false;
  box.messages.push_back(std::move(one));
  box.ring();
  return true;
}

bool inproc_endpoint::poll_once() {
  if (!news_.empty() || read_ < taken_.size()) return true;
  std::lock_guard const lock(box_->mutex);
  return !box_->messages.empty();
}

bool inproc_endpoint::arm(doorbell& bell) {
  if (!news_.empty() || read_ < taken_.size()) return false;
  std::lock_guard const lock(box_->mutex);
  if (std::exchange(box_->has_room, false) || !box_->messages.empty()) return false;
  box_->bell = &bell;
  return true;
}

void inproc_endpoint::receive(std::vector<event>& events, std::size_t most) {
  auto const begin = events.size();
  events.reserve(events.size() + news_.size());
  for (auto& each : news_) events.push_back(std::move(each));
  news_.clear();
  if (read_ == taken_.size()) {
    taken_.clear();
    read_ = 0;
    std::lock_guard const lock(box_->mutex);
    box_->bell = nullptr;
    taken_.swap(box_->messages);
  }
  for (; read_ < taken_.size() && events.size() - begin < most; ++read_) {
    make_room_for_one(events);
    open(taken_[read_], events);
  }
}

void inproc_endpoint::open(queued_message& one, std::vector<event>& events) {
  auto& mine = one.connection->sides[one.side];
  if (one.what == queued_message::kind::connect) {
    events.push_back(event::connected(add({one.connection, one.side})));
  } else if (mine.id != 0 && one.what == queued_message::kind::end) {
    events.push_back(event::lost(mine.id));
    peers_.erase(std::exchange(mine.id, 0));
  } else if (mine.id != 0) {
    read(one, events);
  }
}

void inproc_endpoint::read(queued_message& one, std::vector<event>& events) {
  auto& mine = one.connection->sides[one.side];
  mine.unread -= size_of(one.content);
  if (mine.awaited.exchange(false)) tell_room(*one.connection->sides[1 - one.side].box);
  events.push_back(event::received(mine.id, std::move(one.content)));
}

void inproc_endpoint::tell_room(mailbox& of) {
  std::lock_guard const lock(of.mutex);
  of.has_room = true;
  of.ring();
}

send_status inproc_endpoint::send(peer_id id, frame const& message) {
  auto const found = peers_.find(id);
  if (found == peers_.end()) return send_status::gone;
  if (!within(bounds_, message)) return send_status::too_large;
  auto& far = found->second.connection->sides[1 - found->second.side];
  auto const size = size_of(message);
  auto const full = [&] {
    auto const unread = far.unread.load();
    return unread != 0 && unread + size > bounds_.max_queue_bytes;
  };
  if (full()) {
    far.awaited = true;
    if (full()) return send_status::full;
  }
  queued_message copy{queued_message::kind::content, {}, 0, independent_copy(message)};
  far.unread += size;
  try {
    return post(found->second, std::move(copy)) ? send_status::sent : send_status::gone;
  } catch (...) {
    far.unread -= size;
    throw;
  }
}

void inproc_endpoint::close(peer_id gone) {
  auto const found = peers_.find(gone);
  if (found == peers_.end()) return;
  auto const leaving = std::move(found->second);
  peers_.erase(found);
  leaving.connection->sides[leaving.side].id = 0;
  post(leaving, {queued_message::kind::end, {}, 0, {}});
}

}  // namespace yonder::transport
