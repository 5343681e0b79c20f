// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>

// `program --yonder-worker ADDRESS` is two processes: one that watches, and its child, the worker. A worker
// that had to end, around a task that does not stop say, is so replaced where nobody else could.
namespace yonder::runtime_detail {

// How long the next worker waits after one that has ended: not at all, but for those that live less than a
// second and start no task, one after the other.
class restart_delay {
 public:
  // Both in nanoseconds. `worked`: it has started a task.
  std::int64_t after(std::int64_t lived, bool worked) noexcept;

 private:
  int short_lived_ = 0;  // in a row
};

// In the process that was started with the flag: starts the worker and passes on signals, and starts another
// one if it ends without having said that this is for good. Ends as the worker does.
[[noreturn]] void supervise();

// In a worker that is supervised: that its end is for good. Elsewhere nothing.
void end_for_good() noexcept;

}  // namespace yonder::runtime_detail
