// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <iostream>
#include <optional>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace yonder::cli {

// What the command ends with: docs/command.md.
inline constexpr int exit_failed = 1;
inline constexpr int exit_usage = 2;
inline constexpr int exit_unreachable = 3;
inline constexpr int exit_unauthorized = 4;
inline constexpr int exit_not_found = 5;
// Of a journal.
inline constexpr int exit_damaged = 6;
inline constexpr int exit_newer = 7;
inline constexpr int exit_in_use = 8;

// The command line asks for what cannot be.
class usage_problem : public std::invalid_argument {
 public:
  using std::invalid_argument::invalid_argument;
};

// A line for stdout. A terminal gets as many as it takes, broken at blanks, with `indent` blanks before all
// but the first one.
std::string in_lines(std::string_view line, std::size_t indent);

// A text in place of what a terminal shows, as much of it as fits there.
std::string as_live_page(std::string const& text);

// Throws std::runtime_error where something of what was printed did not arrive.
inline void flush_output() {
  if (!std::cout.flush())
    throw std::runtime_error("cannot write to standard output; is its disk full, or its reader gone?");
}

// What was said of a time, rounded up.
inline std::chrono::seconds whole_seconds(std::optional<std::chrono::nanoseconds> const& time,
                                          std::chrono::seconds otherwise) {
  return time ? std::chrono::ceil<std::chrono::seconds>(*time) : otherwise;
}

// Columns of text, on stdout. A terminal gets lines that fit it.
class table {
 public:
  explicit table(std::vector<std::string> heads) : rows_{std::move(heads)} {}
  void add(std::vector<std::string> row) { rows_.push_back(std::move(row)); }
  std::string text() const;
  void print() const { std::cout << text(); }

 private:
  std::vector<std::vector<std::string>> rows_;
};

}  // namespace yonder::cli
