// SPDX-License-Identifier: Apache-2.0
#include "transports/local/local_endpoint.hpp"

#include "src/platform/descriptors.hpp"
#include "src/platform/fork.hpp"
#include "src/platform/system_call.hpp"
#include "transports/events.hpp"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cerrno>
#include <system_error>

namespace yonder::transport {

namespace {

constexpr std::size_t scratch_size = std::size_t{256} << 10;

// Of what a cipher opens, at a time; and of what is sealed for one write. More is not kept once it is sent.
constexpr std::size_t opened_size = std::size_t{16} << 10;
constexpr std::size_t sealed_size = std::size_t{256} << 10;
constexpr std::size_t kept_sealed_size = std::size_t{64} << 10;

// Collected bytes leave at once past this, so that sending overlaps with what follows.
constexpr std::size_t eager_bytes = std::size_t{64} << 10;

constexpr int socket_buffer_size = 1 << 20;

// In the poller's token of a bell, which is a peer's number else.
constexpr std::uint64_t bell_bit = std::uint64_t{1} << 63;

// Of the clock: no peer's.
constexpr std::uint64_t clock_token = bell_bit;
constexpr timespec idle_time{0, 300'000'000};

std::string words(int error) { return std::generic_category().message(error); }

bool is_passing(int error) noexcept { return error == EAGAIN || error == ENOBUFS || error == ENOMEM; }

// A TCP connection that is closed with something unread is reset, and loses what was not sent yet.
void leave_nothing_unread(int socket) noexcept {
  constexpr int most = 64;
  std::array<std::byte, 4096> none;
  ::shutdown(socket, SHUT_WR);
  auto const read = [&] { return ::recv(socket, none.data(), none.size(), MSG_DONTWAIT); };
  for (int i = 0; i < most && platform::retry(read) > 0; ++i) {
  }
}

// Small frames are one part, for which the system's way is shorter.
ssize_t send_parts(int socket, msghdr const& message) noexcept {
  constexpr int flags = MSG_DONTWAIT | MSG_NOSIGNAL;
  if (message.msg_iovlen != 1) return ::sendmsg(socket, &message, flags);
  return ::send(socket, message.msg_iov->iov_base, message.msg_iov->iov_len, flags);
}

// How many bytes of a connection were not read yet.
std::size_t unread_of(int socket) noexcept {
  int bytes = 0;
  return ::ioctl(socket, FIONREAD, &bytes) == 0 ? static_cast<std::size_t>(std::max(bytes, 0)) : 0;
}

}  // namespace

local_endpoint::local_endpoint(poller& ready, limits const& bounds)
    : poller_(ready), bounds_(bounds), scratch_(new std::byte[scratch_size]) {}

local_endpoint::~local_endpoint() {
  for (auto const& each : peers_) {
    if (each) close(each->id);
  }
  if (clock_) poller_.remove(clock_.get());
}

peer_id local_endpoint::add(platform::unique_fd socket, std::unique_ptr<channel> memory) {
  // The system may cap it; any size works.
  ::setsockopt(socket.get(), SOL_SOCKET, SO_SNDBUF, &socket_buffer_size, sizeof socket_buffer_size);
  return enter(std::move(socket), std::move(memory), nullptr).id;
}

peer_id local_endpoint::add_connection(platform::unique_fd socket, std::unique_ptr<stream_cipher> cipher) {
  auto const fd = socket.get();
  platform::close_in_forks(fd);
  try {
    if (cipher && !opened_) opened_.reset(new std::byte[opened_size]);
    if (!cipher) ::setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &socket_buffer_size, sizeof socket_buffer_size);
    auto& added = enter(std::move(socket), nullptr, std::move(cipher));
    added.by_address = true;
    mark_readable(added);  // the cipher may hold something already
    return added.id;
  } catch (...) {
    platform::close_in_no_fork(fd);
    throw;
  }
}

local_endpoint::peer& local_endpoint::enter(platform::unique_fd socket, std::unique_ptr<channel> memory,
                                            std::unique_ptr<stream_cipher> cipher) {
  auto const flags = ::fcntl(socket.get(), F_GETFL);
  if (flags < 0 || ::fcntl(socket.get(), F_SETFL, flags & ~O_NONBLOCK) != 0)
    platform::throw_errno("fcntl(F_SETFL)");
  if (::fcntl(socket.get(), F_SETFD, FD_CLOEXEC) != 0) platform::throw_errno("fcntl(F_SETFD)");

  make_room_in_lists();
  auto const slot = free_slots_.back();
  auto const id = (peer_id{drawn_ + 1} << 32) | slot;
  auto const fd = socket.get();
  auto added = std::make_unique<peer>(id, std::move(socket), std::move(memory), std::move(cipher), bounds_);
  poller_.add(fd, *this, id);
  try {
    if (added->memory) poller_.add_edge(added->memory->bell(), *this, id | bell_bit);
  } catch (...) {
    poller_.remove(fd);
    throw;
  }
  ++drawn_;
  free_slots_.pop_back();
  peers_[slot] = std::move(added);
  added_.push_back(id);
  if (peers_[slot]->memory) wake_up(*peers_[slot]);
  return *peers_[slot];
}

// For one peer more. While some that were served, or are no more, are listed, each list has two entries for
// each slot at most.
void local_endpoint::make_room_in_lists() {
  if (free_slots_.empty()) {
    free_slots_.reserve(peers_.size() + 1);
    peers_.emplace_back();
    free_slots_.push_back(static_cast<std::uint32_t>(peers_.size() - 1));
  }
  for (auto* const list : {&added_, &readable_, &collected_, &awake_}) {
    std::erase(*list, nobody);
    list->reserve(2 * peers_.size());
  }
}

local_endpoint::peer* local_endpoint::find(peer_id id) noexcept {
  auto const slot = static_cast<std::uint32_t>(id);
  if (slot >= peers_.size() || !peers_[slot] || peers_[slot]->id != id) return nullptr;
  return peers_[slot].get();
}

void local_endpoint::erase(peer_id id) noexcept {
  auto const slot = static_cast<std::uint32_t>(id);
  for (auto* const list : {&added_, &readable_, &collected_, &awake_})
    std::replace(list->begin(), list->end(), id, nobody);
  poller_.remove(peers_[slot]->socket.get());
  if (peers_[slot]->by_address) platform::close_in_no_fork(peers_[slot]->socket.get());
  if (peers_[slot]->memory) forget_memory(*peers_[slot]);
  peers_[slot].reset();
  free_slots_.push_back(slot);
}

bool local_endpoint::poll_once() {
  if (pending()) return true;
  return std::any_of(peers_.begin(), peers_.end(), [this](auto const& each) {
    if (each == nullptr) return false;
    if (each->memory == nullptr) return find_bytes(*each, MSG_DONTWAIT);
    if (each->blocked) write(*each);
    if (!each->ended && !each->deaf && !each->memory->has_work()) return false;
    wake_up(*each);
    return true;
  });
}

void local_endpoint::on_ready(std::uint64_t token, bool readable, bool writable) {
  if (token == clock_token) return settle_memories();
  auto* const which = find(token & ~bell_bit);
  if (which == nullptr) return;
  if ((token & bell_bit) != 0) return hear_bell(*which);
  if (which->memory) look_at_socket(*which);
  if (which->memory) return;
  if (readable) mark_readable(*which);
  if (writable) write(*which);
}

void local_endpoint::mark_readable(peer& from) noexcept {
  if (!std::exchange(from.readable, true)) readable_.push_back(from.id);
}

void local_endpoint::receive(std::vector<event>& events, std::size_t most) {
  auto const begin = events.size();
  auto const has_room = [&] { return events.size() - begin < most; };
  tell_added(events);
  deliver_found(events);
  serve(readable_, has_room, [&](peer& from) {
    auto const id = from.id;
    if (receive_from(from, events))
      readable_.push_back(id);
    else if (auto* const stays = find(id))
      stays->readable = false;
  });
  serve(awake_, has_room, [&](peer& from) {
    auto const id = from.id;
    if (from.memory && receive_from(from, events)) awake_.push_back(id);
  });
}

// Those that are listed, in order, as long as there is room: whom this turn had none for is first in the
// next, as is one whose service throws.
template <class Room, class Serve>
void local_endpoint::serve(std::vector<peer_id>& listed, Room has_room, Serve one) {
  if (listed.empty()) return;
  std::erase(listed, nobody);
  auto const count = listed.size();
  for (std::size_t i = 0; i < count && has_room(); ++i) {
    if (auto* const from = find(listed[i])) one(*from);
    listed[i] = nobody;
  }
  std::erase(listed, nobody);
}

void local_endpoint::tell_added(std::vector<event>& events) {
  for (auto& id : added_) {
    if (find(id) != nullptr) events.push_back(event::connected(id));
    id = nobody;
  }
  added_.clear();
}

// What lies in scratch_, before anything else is read.
void local_endpoint::deliver_found(std::vector<event>& events) {
  if (auto* const from = find(found_)) {
    bool const more = from->found->more;
    if (deliver(*from, events) && more && !from->memory) mark_readable(*from);
  }
  found_ = nobody;
}

void local_endpoint::drain(peer_id of, std::vector<event>& events) {
  tell_added(events);
  deliver_found(events);
  auto* from = find(of);
  if (from == nullptr) return;
  if (from->memory) from->memory->allow_blocks();
  auto left = from->memory ? from->memory->unread() : unread_of(from->socket.get());
  while (from != nullptr && left != 0) {
    hold(*from, from->memory ? take_from_memory(*from) : take(*from, MSG_DONTWAIT));
    auto const total = from->found->total;
    left -= std::min(left, total);
    if (!deliver(*from, events) || total == 0) return;
  }
}

// One read, and the frames that it completes. True: there may be more.
bool local_endpoint::receive_from(peer& from, std::vector<event>& events) {
  if (from.memory) from.memory->allow_blocks();
  hold(from, from.memory ? take_from_memory(from) : take(from, MSG_DONTWAIT));
  bool const more = from.found->more || from.deaf;
  return deliver(from, events) && more;
}

// What was found, and what it tells of the connection. False: the peer is no more.
bool local_endpoint::deliver(peer& from, std::vector<event>& events) {
  auto& bytes = *from.found;
  parse(from, bytes, events);
  if (from.memory && from.memory->is_used()) start_clock();
  bool const over = bytes.ended || (bytes.nothing && (from.deaf || from.ended));
  if (!from.parser.fault().empty()) {
    lose(from, from.parser.fault(), events);
  } else if (from.cipher && !from.cipher->fault().empty()) {
    lose(from, from.cipher->fault(), events);
  } else if (from.memory && from.memory->is_broken()) {
    lose(from, "the other side has written nonsense into the memory that is shared with it", events);
  } else if (over && from.parser.inside_frame()) {
    lose(from, "the connection ended in the middle of a frame", events);
  } else if (over) {
    auto const error = bytes.error == 0 ? from.send_error : bytes.error;
    lose(from, error == 0 ? "" : words(error), events);
  } else {
    from.found.reset();
    found_ = nobody;
    if (from.memory && !from.blocked) from.memory->ring();
    if (from.memory && from.blocked) write(from);
    return true;
  }
  return false;
}

void local_endpoint::parse(peer& from, taken& bytes, std::vector<event>& events) {
  if (from.cipher) return open_and_parse(from, bytes, events);
  parse(from, scratch_.get(), bytes.parsed, bytes.in_scratch, events);
}

void local_endpoint::parse(peer& from, std::byte const* bytes, std::size_t& parsed, std::size_t end,
                           std::vector<event>& events) {
  for (frame message;;) {
    make_room_for_one(events);
    std::span<std::byte const> left(bytes + parsed, end - parsed);
    auto const keep = [&] { parsed = end - left.size(); };
    try {
      if (!from.parser.next(left, message)) return keep();
    } catch (...) {
      keep();
      throw;
    }
    keep();
    events.push_back(event::received(from.id, std::move(message)));
  }
}

// What belongs to a large block is opened where it is to lie.
void local_endpoint::open_and_parse(peer& from, taken& bytes, std::vector<event>& events) {
  for (bool more = true;;) {
    parse(from, opened_.get(), bytes.opened_parsed, bytes.in_opened, events);
    if (!more || !from.parser.fault().empty()) return;
    auto const room = from.parser.direct_room();
    std::span<std::byte const> left(scratch_.get() + bytes.parsed, bytes.in_scratch - bytes.parsed);
    auto const count = from.cipher->open(left, room.empty() ? std::span(opened_.get(), opened_size) : room);
    bytes.parsed = bytes.in_scratch - left.size();
    bytes.opened_parsed = 0;
    bytes.in_opened = room.empty() ? count : 0;
    if (!room.empty()) from.parser.direct_filled(count);
    more = count != 0;
  }
}

local_endpoint::taken local_endpoint::take(peer& from, int flags) {
  auto const room = from.cipher ? std::span<std::byte>() : from.parser.direct_room();
  std::array<iovec, 2> parts{{{room.data(), room.size()}, {scratch_.get(), scratch_size}}};
  msghdr message{};
  message.msg_iov = parts.data();
  message.msg_iovlen = parts.size();
  auto const read = [&] {
    return room.empty() ? ::recv(from.socket.get(), scratch_.get(), scratch_size, flags)
                        : ::recvmsg(from.socket.get(), &message, flags);
  };
  // A signal ends a wait, and nothing else.
  auto const count = flags == MSG_DONTWAIT ? platform::retry(read) : read();
  auto const error = count < 0 ? errno : 0;

  taken result;
  result.total = static_cast<std::size_t>(std::max<ssize_t>(count, 0));
  auto const direct = std::min(result.total, room.size());
  if (!room.empty()) from.parser.direct_filled(direct);
  result.in_scratch = result.total - direct;
  result.more = result.total == room.size() + scratch_size;
  result.nothing = error == EAGAIN || error == EINTR || error == ENOBUFS || error == ENOMEM;
  result.ended = count <= 0 && !result.nothing;
  result.error = result.nothing || error == ECONNRESET ? 0 : error;  // reset: ended with something unread
  return result;
}

void local_endpoint::lose(peer& gone, std::string reason, std::vector<event>& events) {
  events.push_back(event::lost(gone.id, std::move(reason)));
  erase(gone.id);
}

send_status local_endpoint::send(peer_id id, frame const& message) {
  auto* const to = find(id);
  if (to == nullptr || to->deaf) return send_status::gone;
  if (!within(bounds_, message)) return send_status::too_large;
  auto const size = stream_size(message);
  if (over_limit(*to, size) && !to->blocked) write(*to);
  if (over_limit(*to, size)) return send_status::full;

  lend_buffers(*to, message);
  try {
    to->unsent.append(message, to->blocked ? send_queue::body_as::copy : send_queue::body_as::reference,
                      lent_);
  } catch (...) {
    take_back_buffers(*to);
    throw;
  }
  if (to->blocked) return send_status::sent;
  if (to->unsent.has_references() || to->unsent.size() >= eager_bytes) {
    write(*to);
    try {
      to->unsent.keep_bodies();
    } catch (...) {  // the body's memory is not ours any more
      go_deaf(*to);
      throw;
    }
  }
  if (!to->unsent.empty()) collect(*to);
  return to->deaf ? send_status::gone : send_status::sent;
}

void local_endpoint::collect(peer& to) noexcept {
  if (!std::exchange(to.collected, true)) collected_.push_back(to.id);
}

// A frame larger than the whole limit is taken when nothing else waits.
bool local_endpoint::over_limit(peer const& to, std::size_t size) const {
  return to.waiting() != 0 && to.waiting() + size > bounds_.max_queue_bytes;
}

void local_endpoint::flush() {
  for (auto& id : collected_) {
    if (auto* const to = find(id)) {
      if (!to->blocked) write(*to);
      to->collected = false;
    }
    id = nobody;
  }
  collected_.clear();
}

void local_endpoint::put_down() {
  for (auto const& id : collected_) {
    auto* const to = find(id);
    if (to == nullptr || !to->memory || to->blocked || to->deaf) continue;
    fill_memory(*to);
    if (to->blocked && !to->deaf) to->memory->ring();  // flush() passes over it
  }
}

void local_endpoint::detach() {
  for (auto const& each : peers_) {
    if (!each) continue;
    try {
      each->unsent.keep_borrowed();
    } catch (std::bad_alloc const&) {  // the memory is about to be its owner's alone
      go_deaf(*each);
    }
  }
}

void local_endpoint::close(peer_id gone) {
  auto* const to = find(gone);
  if (to == nullptr) return;
  if (!to->blocked) write(*to);  // a farewell that is collected still leaves
  if (to->cipher) leave_nothing_unread(to->socket.get());
  erase(gone);
}

// Writes until all is sent or the socket is full, which then blocks the peer until the poller says otherwise.
void local_endpoint::write(peer& to) {
  if (to.memory) return write_to_memory(to);
  if (to.cipher) return write_sealed(to);
  std::array<iovec, 64> parts;
  while (!to.unsent.empty()) {
    msghdr message{};
    message.msg_iov = parts.data();
    message.msg_iovlen = to.unsent.describe(parts);
    auto const count = platform::retry([&] { return send_parts(to.socket.get(), message); });
    if (count < 0 && !is_passing(errno)) return go_deaf(to, errno);
    if (count <= 0) return block(to, true);
    to.unsent.consume(static_cast<std::size_t>(count));
  }
  block(to, false);
}

// Many small frames make one record, and one write.
void local_endpoint::write_sealed(peer& to) {
  while (to.waiting() != 0) {
    if (to.sealed_sent == to.sealed.size() && !seal_some(to)) return go_deaf(to);
    auto const count = platform::retry([&] {
      return ::send(to.socket.get(), to.sealed.data() + to.sealed_sent, to.sealed.size() - to.sealed_sent,
                    MSG_DONTWAIT | MSG_NOSIGNAL);
    });
    if (count < 0 && !is_passing(errno)) return go_deaf(to, errno);
    if (count <= 0) return block(to, true);
    to.sealed_sent += static_cast<std::size_t>(count);
  }
  to.sealed.clear();
  to.sealed_sent = 0;
  if (to.sealed.capacity() > kept_sealed_size) to.sealed = {};
  block(to, false);
}

// Of what is unsent, once all that was sealed before is sent. False: nothing can be sealed any more.
bool local_endpoint::seal_some(peer& to) noexcept try {
  to.sealed.clear();
  to.sealed_sent = 0;
  std::array<iovec, 64> parts;
  std::size_t count = 0;
  for (auto const& part : std::span(parts).first(to.unsent.describe(parts))) {
    auto const size = std::min(part.iov_len, sealed_size - count);
    if (!to.cipher->seal({static_cast<std::byte const*>(part.iov_base), size}, to.sealed)) return false;
    count += size;
    if (count == sealed_size) break;
  }
  to.unsent.consume(count);
  return true;
} catch (std::bad_alloc const&) {
  return false;
}

void local_endpoint::block(peer& to, bool on) {
  if (to.memory)
    to.memory->want_room(on);
  else if (to.blocked != on)
    poller_.want_write(to.socket.get(), *this, to.id, on);
  to.blocked = on;
}

// What the other end has sent before it went can still be received. `error`: the system's, which it tells
// once; that the other end has closed is no news.
void local_endpoint::go_deaf(peer& to, int error) {
  to.deaf = true;
  if (error != EPIPE && error != ECONNRESET) to.send_error = error;
  to.unsent.clear();
  to.sealed.clear();
  to.sealed_sent = 0;
  if (to.memory)
    wake_up(to);
  else
    mark_readable(to);
  block(to, false);
}

// --- memory

bool local_endpoint::shares_memory(peer_id with) noexcept {
  auto const* const found = find(with);
  return found != nullptr && found->memory && found->memory->has_joined();
}

// A peer that has nothing for us is told that we sleep: its bell is heard by the poller.
bool local_endpoint::arm(doorbell&) {
  std::erase_if(awake_, [this](peer_id id) {
    auto* const one = find(id);
    if (one == nullptr || !one->memory) return true;
    if (one->ended || one->deaf || !one->memory->may_sleep()) return false;
    one->awake = false;
    return true;
  });
  return !pending() && awake_.empty();
}

void local_endpoint::forget_memory(peer& of) noexcept {
  poller_.remove(of.memory->bell());
  of.parser.use_blocks(nullptr);
  of.memory.reset();
}

void local_endpoint::hear_bell(peer& from) noexcept {
  if (!from.memory) return;
  from.memory->woken();
  wake_up(from);
}

// Its memory is to be looked at, until it knows us asleep again.
void local_endpoint::wake_up(peer& sleeper) noexcept {
  sleeper.memory->stay_awake();
  if (!std::exchange(sleeper.awake, true)) awake_.push_back(sleeper.id);
}

// The socket of a peer with whom we share memory is readable: this is the end. One that has sent something
// without having joined never will.
void local_endpoint::look_at_socket(peer& from) {
  std::array<std::byte, 64> bytes;
  auto const peek = from.memory->has_joined() ? 0 : MSG_PEEK;
  auto const count = platform::retry(
      [&] { return ::recv(from.socket.get(), bytes.data(), bytes.size(), MSG_DONTWAIT | peek); });
  if (count > 0 && peek != 0) {
    forget_memory(from);
    from.blocked = false;
    mark_readable(from);
    return collect(from);
  }
  if (count == 0 || (count < 0 && !is_passing(errno))) {
    from.ended = true;
    poller_.remove(from.socket.get());
  }
  wake_up(from);
}

// Fills lent_: empty where nothing is.
void local_endpoint::lend_buffers(peer& to, frame const& message) {
  lent_.clear();
  if (!to.memory) return;
  auto const is_large = [](buffer const& one) { return one.size >= least_block; };
  if (std::none_of(message.buffers.begin(), message.buffers.end(), is_large) || !start_clock()) return;
  lent_.reserve(message.buffers.size());
  for (auto const& one : message.buffers)
    lent_.push_back(is_large(one) ? to.memory->lend(one.bytes()).value_or(0) : 0);
}

void local_endpoint::take_back_buffers(peer& from) noexcept {
  for (auto const one : lent_)
    if (one != 0) from.memory->take_back(one);
}

// Whether there is one: without, memory would not go back.
bool local_endpoint::start_clock() noexcept try {
  if (ticks_) return true;
  if (!clock_) {
    auto made = platform::above_standard(
        platform::unique_fd(::timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK)));
    if (!made) return false;
    poller_.add(made.get(), *this, clock_token);
    clock_ = std::move(made);
  }
  itimerspec const once{{}, idle_time};
  ticks_ = ::timerfd_settime(clock_.get(), 0, &once, nullptr) == 0;
  return ticks_;
} catch (std::exception const&) {
  return false;
}

// Those that were not used since the last tick; the next one looks at the others.
void local_endpoint::settle_memories() {
  std::uint64_t rings = 0;
  [[maybe_unused]] auto const count = ::read(clock_.get(), &rings, sizeof rings);
  ticks_ = false;
  bool again = false;
  for (auto const& each : peers_) {
    if (!each || !each->memory) continue;
    again = each->memory->was_used() || each->memory->settle() || again;
    if (each->memory->is_broken() && !each->deaf) go_deaf(*each);
  }
  if (again) start_clock();
}

// The bytes leave the memory before anybody looks at them.
local_endpoint::taken local_endpoint::take_from_memory(peer& from) {
  auto const room = from.parser.direct_room();
  std::array<iovec, 2> const parts{{{room.data(), room.size()}, {scratch_.get(), scratch_size}}};
  taken result;
  result.total = from.memory->read(parts);
  auto const direct = std::min(result.total, room.size());
  if (!room.empty()) from.parser.direct_filled(direct);
  result.in_scratch = result.total - direct;
  result.nothing = result.total == 0;
  result.more = true;  // who is awake is looked at again
  return result;
}

// Writes until all is there or the memory is full; then the other side tells when half of it is free.
void local_endpoint::write_to_memory(peer& to) {
  fill_memory(to);
  if (to.memory && !to.deaf) to.memory->ring();
}

void local_endpoint::fill_memory(peer& to) {
  std::array<iovec, 64> parts;
  bool full = !to.unsent.empty() && !to.memory->has_joined();
  while (!full && !to.unsent.empty()) {
    auto const count = to.memory->write(std::span(parts).first(to.unsent.describe(parts)));
    to.unsent.consume(count);
    full = count == 0;
  }
  // What was taken before the wish for room was seen has rung no bell: it is looked at once more.
  while (full && to.memory->has_joined() && !to.memory->is_broken()) {
    block(to, true);
    auto const count = to.memory->write(std::span(parts).first(to.unsent.describe(parts)));
    if (count == 0) break;
    to.unsent.consume(count);
    full = !to.unsent.empty();
  }
  if (to.memory->is_broken()) return go_deaf(to);
  block(to, full);
}

}  // namespace yonder::transport
