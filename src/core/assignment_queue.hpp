// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/items.hpp"
#include "src/core/ring.hpp"
#include "src/core/types.hpp"

#include <algorithm>
#include <optional>

namespace yonder::core {

// Calls with consecutive numbers, of one attempt.
struct attempt_range {
  attempt_key first;
  std::uint32_t count = 1;
};

// What a worker was assigned and has not started: frames in the order in which they came, each of one item or
// several.
class assignment_queue {
 public:
  // What is told of every item that is handed back.
  struct frame_info {
    std::string_view function;  // valid until the next step of the queue
    time_point deadline = never;
  };

  // Takes an assign frame. False: it does not decode.
  bool push(time_point now, frame&& message);
  struct next_item {
    out::run run;
    bool packed = false;  // came with others in one frame; run by itself unless run.items says otherwise
    bool last = false;    // of those that were still here
    bool once = false;    // a journal has it, and it may be started once only
  };
  // The first item in order, which is the queue's no longer, and up to `most` with it where they follow each
  // other. Not if empty().
  next_item take(std::uint32_t most = 1);
  // The last `count` items of the row that was taken last have not begun, and are the first ones again.
  void put_back(std::uint32_t count);

  // Takes those of `range` out that are still here, and calls give(range, info) for each row of them.
  template <class Give>
  void hand_back(attempt_range const& range, Give&& give) {
    for (std::size_t at = 0; at < frames_.size();) {
      auto& one = frames_[at];
      if (one.meets(range)) hand_back(one, range, give);
      if (one.left == 0)
        frames_.erase(at);
      else
        ++at;
    }
  }
  // The same for all items of the first frame.
  template <class Give>
  void hand_back_front(Give&& give) {
    auto& front = frames_.front();
    hand_back(front, {front.key, front.items.count}, give);
    frames_.pop_front();
  }

  bool empty() const noexcept { return frames_.empty(); }
  bool is_once() const noexcept { return frames_.front().once; }                  // the first item
  time_point deadline() const noexcept { return frames_.front().info.deadline; }  // of the first item
  // The reader of this one, which waits here, takes so much.
  void allow(attempt_key const& key, stream_level const& level) {
    for (std::size_t i = 0; i < frames_.size(); ++i)
      if (frames_[i].key == key && frames_[i].stream) frames_[i].stream->allowed = level;
  }
  std::string_view function() const noexcept { return frames_.front().info.function; }
  std::size_t frames() const noexcept { return frames_.size(); }
  std::size_t items() const noexcept { return items_; }
  void clear() noexcept {
    frames_.clear();
    row_.reset();
    items_ = 0;
  }

 private:
  struct assigned {
    attempt_key key;  // of its first item
    std::uint32_t sequence = 0;
    frame_info info;
    bool as_one = false;  // its items run together
    bool once = false;
    std::optional<stream_terms> stream;
    frame message;
    packed_items items;
    std::uint32_t next = 0;  // items before it were started or handed back
    std::size_t offset = 0;  // of its payload
    std::uint32_t left = 0;  // neither started nor handed back
    std::vector<bool> gone;  // handed back; empty: none was
    void reset() noexcept {
      if (message.body.data() != nullptr) message.body = {};
      message.buffers.clear();
      as_one = once = false;
      stream.reset();
      next = 0;
      offset = 0;
      gone.clear();
    }
    // Whether the range has some of its items.
    bool meets(attempt_range const& range) const noexcept {
      auto const& of = range.first;
      return of.call.number < key.call.number + items.count &&
             key.call.number < of.call.number + range.count && of.call.session == key.call.session &&
             of.attempt == key.attempt && of.epoch == key.epoch;
    }
    bool waits(std::uint32_t item) const { return item >= next && (gone.empty() || !gone[item]); }
  };

  static attempt_key key_of(assigned const& one, std::uint32_t item);
  static void skip_gone(assigned& one);
  static assigned row_of(assigned const& one, std::uint32_t count);
  static frame take_part(assigned& one, std::uint32_t count);
  next_item take_all();

  template <class Give>
  void hand_back(assigned& one, attempt_range const& range, Give& give) {
    auto const& key = range.first;
    auto const begin = std::max(key.call.number, one.key.call.number) - one.key.call.number;
    auto const past = std::min(key.call.number + range.count, one.key.call.number + one.items.count);
    auto const end = past - one.key.call.number;
    for (auto item = static_cast<std::uint32_t>(begin); item < end;) {
      auto row = item;
      while (row < end && one.waits(row)) ++row;
      if (row != item) {
        give_up(one, item, row - item);
        give(attempt_range{key_of(one, item), row - item}, one.info);
      }
      item = std::max(row, item + 1);
    }
    skip_gone(one);
  }
  void give_up(assigned& one, std::uint32_t first, std::uint32_t count);

  ring<assigned> frames_;
  std::optional<assigned> row_;  // the last one that was taken, as it would wait if it were put back
  std::size_t items_ = 0;
};

}  // namespace yonder::core
