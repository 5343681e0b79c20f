// SPDX-License-Identifier: Apache-2.0
#include "src/platform/event_counter.hpp"

#include "src/platform/system_call.hpp"

#include <sys/eventfd.h>

#include <cstdint>

#include "src/platform/descriptors.hpp"

namespace yonder::platform {

event_counter::event_counter() : fd_(above_standard(unique_fd(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)))) {
  if (!fd_) throw_errno("eventfd");
}

// Neither call blocks, so that no signal interrupts it.
void event_counter::add() const noexcept {
  std::uint64_t const one = 1;
  [[maybe_unused]] auto const written = ::write(fd_.get(), &one, sizeof one);
}

void event_counter::clear() const noexcept {
  std::uint64_t count = 0;
  [[maybe_unused]] auto const read = ::read(fd_.get(), &count, sizeof count);
}

}  // namespace yonder::platform
