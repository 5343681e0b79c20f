// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/metadata.hpp"
#include "src/core/mutant.hpp"
#include "src/core/types.hpp"

#include <algorithm>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

// Large frames on their way: an announcement of every size, then chunks of the bytes, body first.
namespace yonder::core {

// Of content; a larger frame is sent in chunks.
inline constexpr std::size_t chunk_size = (std::size_t{256} << 10) / size_scale;

inline bool needs_transfer(frame const& message) noexcept {
  return size_of(message) - header_size > chunk_size;
}

// What was asked for `waited` ago has less time left until its deadline than its header said.
void shorten_remaining(header& head, duration waited) noexcept;

// Makes `message` independent of its caller: borrowed buffers are copied.
void own_buffers(frame& message);
// Makes its body one that any number of others may share.
void share_body(frame& message);

// Cuts a frame whose body can be shared and that borrows nothing into an announcement and its chunks, without
// copying content.
class outgoing_transfer {
 public:
  // The next frame to send, with up to `most` bytes of content; to be asked until done(). The first one
  // announces, with what `head` says.
  frame next(header const& head, frame const& message, std::size_t most = chunk_size);
  bool begun() const noexcept { return begun_; }
  bool done(frame const& message) const noexcept { return begun_ && part_ > message.buffers.size(); }

 private:
  frame next_chunk(frame const& message, std::size_t most);

  bool begun_ = false;
  std::size_t part_ = 0;  // 0: the body; i: buffer i - 1
  std::size_t offset_ = 0;
};

// From this size on the system takes more than a millisecond to take a block back.
inline constexpr std::size_t large_block = (std::size_t{8} << 20) / size_scale;

// Bytes that several count together, and how many they may be.
struct byte_account {
  std::size_t most = 0;
  std::size_t held = 0;
  // Takes large blocks of content once nobody needs them, on whichever thread needed one last, also after the
  // account has gone. Unset: that thread frees them.
  std::function<void(byte_buffer&&)> free_large{};
  bool takes(std::size_t more) const noexcept { return more <= most - std::min(most, held); }
};

// A part of them, given back with it.
class counted_bytes {
 public:
  counted_bytes() = default;
  counted_bytes(byte_account* account, std::size_t bytes) noexcept : account_(account), bytes_(bytes) {
    if (account_ != nullptr) account_->held += bytes_;
  }
  counted_bytes(counted_bytes&& other) noexcept
      : account_(std::exchange(other.account_, nullptr)), bytes_(other.bytes_) {}
  counted_bytes& operator=(counted_bytes&& other) noexcept {
    std::swap(account_, other.account_);
    std::swap(bytes_, other.bytes_);
    return *this;
  }
  ~counted_bytes() {
    if (account_ != nullptr) account_->held -= bytes_;
  }

 private:
  byte_account* account_ = nullptr;
  std::size_t bytes_ = 0;
};

// Puts a frame together again. Its room is reserved when it is announced, never more than the limits allow. A
// call for which `account` has no room comes without its arguments.
class incoming_transfer {
 public:
  enum class progress : std::uint8_t { going_on, complete, broken };

  explicit incoming_transfer(byte_account* account = nullptr) noexcept : account_(account) {}

  // Takes an announcement or a chunk that came at `came`, or that the rest will not come. `broken`: not what
  // was announced, or past `most`.
  progress take(time_point came, frame const& message, frame_limits const& most);
  // The complete frame. A deadline has come closer since the announcement.
  frame finish(time_point now);
  bool active() const noexcept { return active_; }
  // Of the frame that is coming, or came last: there was no room.
  bool came_without_payload() const noexcept { return turned_away_; }
  void reset() noexcept { *this = incoming_transfer(account_); }

 private:
  progress announce(time_point came, frame const& message, frame_limits const& most);
  std::shared_ptr<byte_buffer> make_room(std::size_t size) const;
  bool fill(std::span<std::byte const> content);

  byte_account* account_;
  counted_bytes counted_;
  bool active_ = false;
  bool turned_away_ = false;
  time_point since_ = 0;
  transfer_message announced_;
  std::shared_ptr<byte_buffer> room_;  // body, then the buffers, each at its place
  std::vector<std::size_t> places_;    // where a part begins
  std::size_t part_ = 0;               // 0: the body; i: buffer i - 1
  std::size_t filled_ = 0;             // of that part
};

}  // namespace yonder::core
