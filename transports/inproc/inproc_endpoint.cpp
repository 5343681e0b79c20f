// SPDX-License-Identifier: Apache-2.0
#include "transports/inproc/inproc_endpoint.hpp"

#include "src/platform/unique_fd.hpp"

#include <sys/eventfd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <mutex>
#include <system_error>
#include <utility>

namespace yonder::transport {

struct inproc_endpoint::letter {
  enum class kind : std::uint8_t { connect, message, end };
  kind what{};
  std::shared_ptr<link> connection;
  std::size_t side = 0;  // of the receiver
  frame message;
};

struct inproc_endpoint::mailbox {
  mailbox() : bell(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
    if (!bell) throw std::system_error(errno, std::generic_category(), "eventfd");
  }

  void ring() const noexcept {
    std::uint64_t const one = 1;
    [[maybe_unused]] auto const written = ::write(bell.get(), &one, sizeof one);
  }
  void silence() const noexcept {
    std::uint64_t count = 0;
    [[maybe_unused]] auto const read = ::read(bell.get(), &count, sizeof count);
  }

  platform::unique_fd bell;
  std::mutex mutex;
  bool open = true;             // guarded by mutex
  std::vector<letter> letters;  // guarded by mutex
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
  frame copy{message.head, byte_buffer::copy_of(message.body), message.buffers};
  copy.head.buffer_count = static_cast<std::uint32_t>(copy.buffers.size());
  for (auto& part : copy.buffers) {
    if (part.borrowed()) part = detail::owned_copy(part.bytes());
  }
  return copy;
}

}  // namespace

inproc_endpoint::inproc_endpoint(poller& ready, limits const& bounds)
    : poller_(ready), bounds_(bounds), box_(std::make_shared<mailbox>()) {
  poller_.add(box_->bell.get(), *this, 0);
}

inproc_endpoint::~inproc_endpoint() {
  poller_.remove(box_->bell.get());
  while (!peers_.empty()) close(peers_.begin()->first);
  std::vector<letter> unopened;
  {
    std::lock_guard const lock(box_->mutex);
    box_->open = false;
    unopened.swap(box_->letters);
  }
  for (auto& each : unopened) {
    if (each.what == letter::kind::connect)
      post({each.connection, each.side}, {letter::kind::end, {}, 0, {}});
  }
  for (; read_ < taken_.size(); ++read_) {
    auto& each = taken_[read_];
    if (each.what == letter::kind::connect)
      post({each.connection, each.side}, {letter::kind::end, {}, 0, {}});
  }
}

peer_id inproc_endpoint::connect(address const& to) {
  peer const added{std::make_shared<link>(), 0};
  added.connection->sides[0].box = box_;
  added.connection->sides[1].box = to;
  auto const id = add(added);
  if (post(added, {letter::kind::connect, {}, 0, {}})) {
    news_.push_back({event::kind::connected, id, {}, {}, false});
  } else {
    peers_.erase(id);
    news_.push_back({event::kind::lost, id, {}, "nobody is at the other end any more", false});
  }
  return id;
}

peer_id inproc_endpoint::add(peer of) {
  auto const id = ++drawn_;
  of.connection->sides[of.side].id = id;
  peers_.emplace(id, std::move(of));
  return id;
}

// Puts a letter into the mailbox of the other side; false if that is closed.
bool inproc_endpoint::post(peer const& from, letter message) {
  message.connection = from.connection;
  message.side = 1 - from.side;
  auto& box = *from.connection->sides[message.side].box;
  bool was_empty = false;
  {
    std::lock_guard const lock(box.mutex);
    if (!box.open) return false;
    was_empty = box.letters.empty();
    box.letters.push_back(std::move(message));
  }
  if (was_empty) box.ring();
  return true;
}

void inproc_endpoint::on_ready(std::uint64_t, bool, bool) { box_->silence(); }

bool inproc_endpoint::pending() {
  if (!news_.empty() || read_ < taken_.size()) return true;
  std::lock_guard const lock(box_->mutex);
  return !box_->letters.empty();
}

void inproc_endpoint::receive(std::vector<event>& events, std::size_t most) {
  auto const begin = events.size();
  for (auto& each : news_) events.push_back(std::move(each));
  news_.clear();
  if (read_ == taken_.size()) {
    taken_.clear();
    read_ = 0;
    std::lock_guard const lock(box_->mutex);
    taken_.swap(box_->letters);
  }
  while (read_ < taken_.size() && events.size() - begin < most) open(taken_[read_++], events);
}

void inproc_endpoint::open(letter& message, std::vector<event>& events) {
  auto& mine = message.connection->sides[message.side];
  if (message.what == letter::kind::connect) {
    events.push_back({event::kind::connected, add({message.connection, message.side}), {}, {}, false});
  } else if (mine.id != 0 && message.what == letter::kind::end) {
    events.push_back({event::kind::lost, mine.id, {}, {}, false});
    peers_.erase(std::exchange(mine.id, 0));
  } else if (mine.id != 0) {
    read(message, events);
  }
}

void inproc_endpoint::read(letter& message, std::vector<event>& events) {
  auto& mine = message.connection->sides[message.side];
  mine.unread -= frame_size(message.message);
  if (mine.awaited.exchange(false)) message.connection->sides[1 - message.side].box->ring();
  events.push_back({event::kind::received, mine.id, std::move(message.message), {}, false});
}

send_status inproc_endpoint::send(peer_id id, frame const& message) {
  auto const found = peers_.find(id);
  if (found == peers_.end()) return send_status::gone;
  if (!within(bounds_, message)) return send_status::too_large;
  auto& far = found->second.connection->sides[1 - found->second.side];
  auto const size = frame_size(message);
  auto const full = [&] {
    auto const unread = far.unread.load();
    return unread != 0 && unread + size > bounds_.max_queue_bytes;
  };
  if (full()) {
    far.awaited = true;
    if (full()) return send_status::full;
  }
  far.unread += size;
  auto const posted = post(found->second, {letter::kind::message, {}, 0, independent_copy(message)});
  return posted ? send_status::sent : send_status::gone;
}

void inproc_endpoint::close(peer_id gone) {
  auto const found = peers_.find(gone);
  if (found == peers_.end()) return;
  auto const leaving = std::move(found->second);
  peers_.erase(found);
  leaving.connection->sides[leaving.side].id = 0;
  post(leaving, {letter::kind::end, {}, 0, {}});
}

}  // namespace yonder::transport
