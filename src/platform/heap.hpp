// SPDX-License-Identifier: Apache-2.0
#pragma once

namespace yonder::platform {

// Gives memory that this process has freed back to the system, as far as the C library can. Takes
// milliseconds where that is much, in which other threads may wait for memory.
void trim_heap() noexcept;

}  // namespace yonder::platform
