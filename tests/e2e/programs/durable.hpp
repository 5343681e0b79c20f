// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <fcntl.h>
#include <signal.h>
#include <unistd.h>

#include <exception>
#include <stdexcept>
#include <string>
#include <system_error>

#include "yonder/yonder.hpp"

namespace e2e {

// Notes in the file that it ran; nothing that is noted is lost when a process ends.
inline int noted(std::string const& file, int number) {
  auto const line = std::to_string(number) + "\n";
  int const to = ::open(file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (to < 0 || ::write(to, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
    throw std::system_error(errno, std::generic_category(), file);
  ::close(to);
  return 2 * number;
}

// The same; the first time its worker's process ends.
inline int noted_at_second(std::string const& file, int number) {
  if (::access(file.c_str(), F_OK) != 0) {
    noted(file, number);
    ::raise(SIGKILL);
  }
  return noted(file, number);
}

// Notes that it began, waits until somebody writes into the pipe of that name with ".gate", and notes that it
// ended.
inline int noted_at_gate(std::string const& file, int number) {
  noted(file, number);
  auto const gate = file + ".gate";
  int const from = ::open(gate.c_str(), O_RDONLY | O_CLOEXEC);
  if (from < 0) throw std::system_error(errno, std::generic_category(), gate);
  ::close(from);
  return noted(file, -number) * -1;
}

// Notes that it ran, and returns the file.
inline std::string noted_there(std::string const& file, int number) {
  noted(file, number);
  return file;
}
inline int noted_callback(std::string const& file) { return noted(file + ".callback", 1); }
inline std::string fails_there(std::string const& file) { throw std::runtime_error(file); }
// Notes how the call has ended: 0, or its error's code.
inline void noted_end(yonder::completion<std::string> const& end) {
  noted((end.value ? *end.value : end.message) + ".end", static_cast<int>(end.code));
}

struct refused : std::exception {
  char const* what() const noexcept override { return "refused"; }
};

// Notes that it ran, and throws what is asked for.
inline void noted_and_thrown(std::string const& file, int what) {
  noted(file, what);
  if (what == 1) throw std::range_error("1");
  if (what == 2) throw std::logic_error("2");
  throw refused();
}

namespace task {

inline constexpr yonder::task<[](std::string const& file, int number) { return noted(file, number); },
                              "e2e.note">
    note{{.idempotent = true, .durable = true}};
inline constexpr yonder::task<[](std::string const& file, int number) { return noted(file, number); },
                              "e2e.note_once">
    note_once{{.durable = true}};
inline constexpr yonder::task<
    [](std::string const& file, int number) { return noted_at_second(file, number); }, "e2e.note_at_second">
    note_at_second{{.idempotent = true, .durable = true}};

inline constexpr yonder::task<[](std::string const& file, int number) { return noted_at_gate(file, number); },
                              "e2e.note_at_gate">
    note_at_gate{{.durable = true}};

inline constexpr yonder::task<[](std::string const& file, int number) { return noted(file, number); },
                              "e2e.note_keyed">
    note_keyed;
inline constexpr yonder::task<noted_there> note_there{{.idempotent = true, .durable = true}};
inline constexpr yonder::task<noted_callback> note_callback;
inline constexpr yonder::task<fails_there> fail_there{{.durable = true}};
inline constexpr yonder::task<noted_end> note_end;

inline constexpr yonder::task<[](std::string const& file, int what) { noted_and_thrown(file, what); },
                              "e2e.note_and_throw">
    note_and_throw{{.retries = 1}};

}  // namespace task
}  // namespace e2e
