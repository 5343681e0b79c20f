// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <string>
#include <thread>

#include "src/platform/unique_fd.hpp"
#include "yonder/yonder.hpp"

// Tasks that leave a line in a file whenever they run.
namespace e2e {

inline std::uint32_t note(std::string const& file, std::uint32_t number) {
  auto const line = std::to_string(number) + "\n";
  {
    yonder::platform::unique_fd const end(
        ::open(file.c_str(), O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600));
    if (::write(end.get(), line.data(), line.size()) != static_cast<ssize_t>(line.size())) return 0;
  }
  std::this_thread::sleep_for(std::chrono::milliseconds(1));  // the work
  return number;
}
namespace task {
inline constexpr yonder::task<e2e::note> note;
}  // namespace task

// Until the other file is there.
inline std::uint32_t note_and_wait(std::string const& file, std::uint32_t number, std::string const& gate) {
  auto const noted = note(file, number);
  while (::access(gate.c_str(), F_OK) != 0) std::this_thread::sleep_for(std::chrono::milliseconds(2));
  return noted;
}
namespace task {
inline constexpr yonder::task<e2e::note_and_wait> note_and_wait;
}  // namespace task

inline std::uint32_t note_within(std::string const& file, std::uint32_t number) {
  return task::note.remote(file, number);
}
namespace task {
inline constexpr yonder::task<e2e::note_within> note_within;
}  // namespace task

}  // namespace e2e
