// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

namespace faults {

using namespace std::chrono_literals;
using clock = std::chrono::steady_clock;
using nanoseconds = std::chrono::nanoseconds;

// This machine lacks what the row takes; the text says what.
class skipped : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// How much a row does, and what it is held to.
struct effort {
  bool full = false;
  // What cannot be is promised: a row that holds then looks at nothing.
  bool canary = false;

  template <class T>
  T of(T sample, T whole) const {
    return full ? whole : sample;
  }
};

// What a row has seen, against what was promised.
class findings {
 public:
  explicit findings(effort how_much) : effort_(how_much) {}

  effort const& how_much() const noexcept { return effort_; }

  // `seen` is a time, of which the promise allows so much; `stall`: what this machine took of it, with nobody
  // to blame: what the same costs a bare process, or how long whoever wanted to run did not.
  void at_most(std::string const& what, nanoseconds seen, nanoseconds limit, nanoseconds stall = {});
  void at_most(std::string const& what, double seen, double limit, std::string const& unit);
  void equals(std::string const& what, std::uint64_t seen, std::uint64_t wanted);
  // Said only where it is not so.
  void holds(std::string const& otherwise, bool so);
  // Said, not judged.
  void note(std::string const& text) { say(text); }

  bool held() const noexcept { return held_; }
  std::string const& text() const noexcept { return text_; }

 private:
  void say(std::string const& text);
  void judge(bool so, std::string const& text, std::string const& wanted);

  effort effort_;
  bool held_ = true;
  std::string text_{};
};

struct row {
  std::string_view name;
  std::string_view fault;
  std::string_view promised;
  void (*run)(findings&);
  std::chrono::seconds limit;               // after which it counts as hanging
  std::chrono::seconds full_limit = limit;  // with --full
  bool sampled = false;                     // part of ./dev test --full
};

// The rows of each file, in the table's order.
std::vector<row> worker_rows();
std::vector<row> crash_rows();
std::vector<row> link_rows();
std::vector<row> hub_rows();
std::vector<row> client_rows();
std::vector<row> clock_rows();
std::vector<row> credential_rows();
std::vector<row> http_rows();
std::vector<row> launch_rows();

// "12.3 ms", "4.5 s".
std::string words_of(nanoseconds time);

// Times, and what most of them keep to.
class sample_of_times {
 public:
  void add(nanoseconds time) { times_.push_back(time); }
  std::size_t size() const noexcept { return times_.size(); }
  // Of so many of a hundred; 0 where there is none.
  nanoseconds percentile(double percent);

 private:
  std::vector<nanoseconds> times_;
};

}  // namespace faults
