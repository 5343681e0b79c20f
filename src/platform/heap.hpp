// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace yonder::platform {

// Gives memory that this process has freed back to the system, as far as the C library can. Takes
// milliseconds where that is much, in which other threads may wait for memory.
void trim_heap() noexcept;

// Makes a worker keep what it frees, up to a limit: to give large arguments and results back to the system
// and to fault the same memory in again at the next call costs more than to copy them.
void keep_freed_memory() noexcept;

}  // namespace yonder::platform
