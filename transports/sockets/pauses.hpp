// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstdint>

namespace yonder::transport {

// Before the next try to connect, after so many in a row that came to nothing: none before the second one,
// then from 25 to 50 ms, and up to twice as long each time, 250 to 500 ms in the end. Which of these depends
// on `drawn`, a number of whoever waits, so that those who lost one hub together do not come together.
std::chrono::milliseconds pause_before_connecting(int tries, std::uint64_t drawn) noexcept;

}  // namespace yonder::transport
