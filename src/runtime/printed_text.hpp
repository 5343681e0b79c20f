// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <thread>

#include "src/core/types.hpp"
#include "src/platform/readable_flag.hpp"
#include "src/platform/unique_fd.hpp"
#include "src/runtime/text_in_hand.hpp"

namespace yonder::runtime_detail {

// What this process, and what it has started, prints: it reads the pipe that its stdout and stderr are.
// Everything is passed on to whoever watches the process; the latest of it is kept until the hub is told.
// Used under the worker loop's lock.
class printed_text {
 public:
  static constexpr core::duration told_every = 50 * core::millisecond;
  // Of what the hub is told: so much at once, and so much more each second.
  static constexpr std::size_t most_told = std::size_t{1} << 20;  // bytes
  static constexpr std::size_t most_kept = most_told;             // bytes; the oldest go

  // Whose it is: `count` attempts with consecutive numbers, which ran together. Attempt 0: nobody's.
  struct owner {
    core::attempt_key key{};
    std::uint32_t count = 1;
    friend bool operator==(owner const&, owner const&) = default;
  };

  // `printed` is read without waiting, into `in_hand`, and `relay` is where it goes. Null: into memory of its
  // own, of which nobody has the rest when this process ends in between.
  printed_text(platform::unique_fd printed, platform::unique_fd relay, text_in_hand* in_hand = nullptr);

  // Readable when there is more; -1: there will be none.
  int descriptor() const noexcept { return printed_.get(); }

  // Takes and passes on what there is, about a pipe's content at most. True: there was something, which is
  // to be given to keep(). After many times that nothing was, it makes no system call to learn that, as far
  // as the system can tell without.
  bool read();
  // What was read is `by` whom; nothing of others is kept.
  void keep(core::time_point now, owner const& by);
  owner const& by() const noexcept { return by_; }

  // When the hub is to be told; never: nothing is kept.
  core::time_point due() const noexcept { return due_; }
  void put_off(core::time_point now) noexcept;

  struct piece {
    std::string_view text;
    std::uint64_t skipped = 0;  // bytes before it, which are lost
  };
  // The next of what is kept, at most what one frame holds, and what the hub may be told now. `all`: what it
  // may not be told is lost.
  std::optional<piece> next(core::time_point now, bool all);
  // It was told that.
  void told(piece const& said);
  // What is left goes nowhere.
  void forget() noexcept;

 private:
  void pass_on(std::string_view text) noexcept;
  bool has_room() const noexcept;
  void earn(core::time_point now) noexcept;
  void note_silence() noexcept;

  static constexpr int quiet_reads = 64;  // in a row, before the system is asked to tell

  platform::unique_fd printed_;
  platform::unique_fd relay_;
  std::unique_ptr<text_in_hand> own_hand_;
  text_in_hand* in_hand_;
  std::unique_ptr<platform::readable_flag> flag_;  // null: not yet, or there is none
  int quiet_ = 0;                                  // reads that found nothing, in a row
  bool has_asked_ = false;                         // for a flag
  std::thread::id owner_ = std::this_thread::get_id();
  bool relay_is_stuck_ = false;
  std::string fresh_;
  std::string text_;
  std::uint64_t skipped_ = 0;
  owner by_;
  core::time_point due_ = core::never;
  std::size_t allowance_ = most_told;  // bytes
  core::time_point earned_ = 0;        // up to then
};

}  // namespace yonder::runtime_detail
