// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "src/core/types.hpp"

// What the drivers of the cores decide, as state machines: no clock, no socket, no thread. Whatever carries
// it out holds one lock around every step.
namespace yonder::driver {

// What a worker does next: which attempt it runs, which one was given up before it began, when results leave,
// and when it ends.
class serving {
 public:
  // `own_process`: the process may end around a task that does not return.
  explicit serving(bool own_process) noexcept : own_process_(own_process) {}

  // --- What the worker core asks for.
  void asked_to_run(core::out::run&& work) { waiting_.push_back({std::move(work), false}); }
  // True: the attempt runs, and its task is to be told. One that has not begun will not begin.
  [[nodiscard]] bool asked_to_stop(core::attempt_key const& key) noexcept;
  // The reader of an attempt that has not begun takes so much.
  void allow(core::attempt_key const& key, core::stream_level const& level) noexcept;
  // True: an attempt runs that nobody wants any more, and its task is to be told.
  [[nodiscard]] bool asked_to_exit(core::out::exit&& why);

  // --- The thread that serves.
  enum class step : std::uint8_t {
    read,    // nothing to run: read the connection
    run,     // take() it, run it, then say ended(); others may be taken meanwhile
    refuse,  // take() it, and say `cancelled` in its place: a stop came before its start
    leave    // exit() says why
  };
  [[nodiscard]] step next() const noexcept;
  [[nodiscard]] core::out::run take();
  void ended(core::attempt_key const& key) noexcept { std::erase(running_, key); }
  // Of the row that began with `first` this item runs, and no further one will.
  void closed(core::attempt_key const& first, core::attempt_key const& runs) noexcept {
    std::replace(running_.begin(), running_.end(), first, runs);
  }

  // An outcome was handed to the transport. True: what is collected is to be sent now. Outcomes that more
  // work follows leave together, after `longest_delay` at most.
  [[nodiscard]] bool flush_due(core::time_point now) noexcept;
  void flushed() noexcept { unflushed_since_ = core::never; }

  // Whether to end the process at once, from outside the thread that serves: it sleeps in a read, or its task
  // does not return and nobody waits for it.
  [[nodiscard]] bool leaves_now() const noexcept {
    return own_process_ && exit_ && !(runs() && exit_->clean);
  }
  [[nodiscard]] core::out::exit const* exit() const noexcept { return exit_ ? &*exit_ : nullptr; }
  [[nodiscard]] bool runs() const noexcept { return !running_.empty(); }

  static constexpr core::duration longest_delay = 100 * core::microsecond;

 private:
  struct entry {
    core::out::run work;
    bool stopped;
  };

  bool own_process_;
  static constexpr std::size_t most_taken = 64;  // that still hold their places
  bool idle() const noexcept { return first_ == waiting_.size(); }

  std::vector<entry> waiting_;  // from first_ on; its memory is used again
  std::size_t first_ = 0;
  std::vector<core::attempt_key> running_;
  std::optional<core::out::exit> exit_;
  core::time_point unflushed_since_ = core::never;
};

// When a second thread reads the connection in place of the one that runs a task.
class watch {
 public:
  enum class act : std::uint8_t {
    tick,      // look again after `patience`
    sleep,     // look again when woken: nothing has run for a while
    take_over  // the task has outlasted `patience`: read until it ends
  };
  // `runs`: counts beginnings and ends of tasks, odd while one runs.
  [[nodiscard]] act look(std::uint32_t runs) noexcept;

  static constexpr core::duration patience = core::millisecond;
  static constexpr int idle_ticks = 100;  // before it sleeps

 private:
  std::uint32_t seen_ = 0;
  int idle_ = 0;
};

}  // namespace yonder::driver
