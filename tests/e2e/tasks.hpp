// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <signal.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "yonder/yonder.hpp"

// What the end-to-end tests call: in the test's process as functions, on workers as tasks.
namespace e2e {

struct point {
  int x = 0;
  std::string label;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(x), CEREAL_NVP(label));
  }
  friend bool operator==(point const&, point const&) = default;
};

// Refuses, when it is decoded, what its constructor would refuse.
struct positive {
  int value = 1;
  template <class Archive>
  void save(Archive& ar) const {
    ar(value);
  }
  template <class Archive>
  void load(Archive& ar) {
    ar(value);
    if (value < 0) throw std::domain_error("a positive is not negative");
  }
};

// Takes neither zero nor one: its structure cannot be found.
struct at_least_two {
  int value = 2;
  template <class Archive>
  void save(Archive& ar) const {
    ar(value);
  }
  template <class Archive>
  void load(Archive& ar) {
    ar(value);
    if (value < 2) throw std::domain_error("at least two");
  }
};

struct out_of_paper : std::runtime_error {
  using std::runtime_error::runtime_error;
};
struct coded_error : std::exception {
  int code = 0;
  char const* what() const noexcept override { return "a coded error"; }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(code);
  }
};
struct http_error : std::runtime_error {
  using std::runtime_error::runtime_error;
  int status = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(status);
  }
};
// Says something else when it is made from its what().
struct wordy_error : std::runtime_error {
  explicit wordy_error(std::string const& text) : std::runtime_error("in other words: " + text) {}
};
struct unregistered_error : std::exception {
  char const* what() const noexcept override { return "nobody knows me"; }
};

// Cannot be saved, has no text, cannot be made again.
struct unsavable_error : std::exception {
  char const* what() const noexcept override { return nullptr; }
  template <class Archive>
  void save(Archive&) const {
    throw std::domain_error("an unsavable_error cannot be saved");
  }
  template <class Archive>
  void load(Archive&) {}
};
struct fussy_error : std::runtime_error {
  explicit fussy_error(std::string const& text) : std::runtime_error(text) {
    if (text.empty()) throw 7;
  }
};
struct mute_error : fussy_error {
  explicit mute_error(std::string const& text) : fussy_error(text) {}
  mute_error() : fussy_error("mute") {}
  char const* what() const noexcept override { return ""; }
};
struct large_error : std::exception {
  std::vector<int> numbers;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(numbers);
  }
};

inline int twice(int n) { return 2 * n; }
inline int add(int a, int b) noexcept { return a + b; }
inline std::string shout(std::string text) { return text + "!"; }
inline point move_point(point const& p, int by) { return {p.x + by, p.label}; }
inline std::size_t length(std::string_view text) { return text.size(); }
inline double total(std::span<double const> numbers) {
  double sum = 0;
  for (double const n : numbers) sum += n;
  return sum;
}
inline void nothing() {}
inline std::unique_ptr<int> boxed(int value) { return std::make_unique<int>(value); }
inline int unboxed(std::unique_ptr<int> box) { return *box; }
inline std::vector<float> doubled(std::vector<float> const& numbers) {
  auto result = numbers;
  for (auto& n : result) n *= 2;
  return result;
}
// A sparse grid: a byte where nothing is.
using cell = std::optional<std::array<double, 1024>>;
inline std::vector<cell> sparse(int cells) { return std::vector<cell>(static_cast<std::size_t>(cells)); }
inline int count_cells(std::vector<cell> const& grid) { return static_cast<int>(grid.size()); }
inline int process() { return static_cast<int>(::getpid()); }
inline int accept(positive const& p) { return p.value; }
inline int halve(at_least_two number) { return number.value / 2; }
inline positive give(int value) {
  positive p;
  p.value = value;
  return p;
}

inline int fail_with(std::string const& kind) {
  if (kind == "out_of_range") throw std::out_of_range("past the end");
  if (kind == "bad_alloc") throw std::bad_alloc();
  if (kind == "out_of_paper") throw out_of_paper("tray 2");
  if (kind == "coded") {
    coded_error error;
    error.code = 42;
    throw error;
  }
  if (kind == "http") {
    http_error error("not found");
    error.status = 404;
    throw error;
  }
  if (kind == "wordy") throw wordy_error("no");
  if (kind == "unregistered") throw unregistered_error();
  if (kind == "unsavable") throw unsavable_error();
  if (kind == "mute") throw mute_error();
  if (kind == "large") {
    large_error error;
    error.numbers.assign(100'000, 7);
    throw error;
  }
  if (kind == "int") throw 7;
  return 0;
}

inline int fail_at_length(int size) {
  throw std::runtime_error(std::string(static_cast<std::size_t>(size), 'x'));
}

inline int crash(std::string const& how) {
  ::write(STDERR_FILENO, "the last words\n", 15);
  if (how == "abort") std::abort();
  if (how == "kill") ::raise(SIGKILL);
  if (how == "exit") std::exit(3);
  if (how == "stop") ::raise(SIGSTOP);
  return 0;
}

// These two say that they run: until_running() waits for that.
inline bool wait_for_stop() {
  yonder::this_call::report_progress(0, "runs");
  while (!yonder::this_call::stop_requested()) std::this_thread::yield();
  return true;
}
[[noreturn]] inline void ignore_stop() {
  yonder::this_call::report_progress(0, "runs");
  for (;;) ::pause();
}
// Until the task of `call` has said so. Not if it ends before.
template <class R>
void until_running(yonder::call<R> const& call) {
  while (!call.progress() && !call.ready()) std::this_thread::yield();
}
inline int terminate_self(int value) {
  ::kill(::getpid(), SIGTERM);
  return value;
}
inline std::string retire() {
  yonder::this_call::retire_worker();
  return yonder::to_string(yonder::this_call::id());
}
inline std::uint32_t fail_until_attempt(std::uint32_t attempt) {
  if (yonder::this_call::attempt() < attempt) throw std::runtime_error("not yet");
  return yonder::this_call::attempt();
}
inline std::string own_id() { return yonder::to_string(yonder::this_call::id()); }
inline int print(std::string const& text) {
  ::write(STDOUT_FILENO, text.data(), text.size());
  return static_cast<int>(::getpid());
}
inline std::string fill(int size) { return std::string(static_cast<std::size_t>(size), 'x'); }
inline yonder::generator<int> counting(int n) {
  for (int i = 1; i <= n; ++i) co_yield i;
}
inline yonder::generator<std::vector<double>> blocks(int count, int size) {
  for (int i = 0; i < count; ++i) co_yield std::vector<double>(static_cast<std::size_t>(size), i);
}
inline std::size_t bytes_in(std::string const& prefix, yonder::input_stream<std::vector<double>> blocks) {
  std::size_t bytes = prefix.size();
  for (auto const& block : blocks) bytes += block.size() * sizeof(double);
  return bytes;
}
inline yonder::generator<int> doubles_of(yonder::input_stream<int> numbers) {
  for (int const n : numbers) co_yield 2 * n;
}
// These call tasks themselves.
inline std::string nested();
inline int leaves(int depth);

namespace task {

inline constexpr yonder::task<e2e::add> add;
inline constexpr yonder::task<e2e::shout> shout;
inline constexpr yonder::task<e2e::move_point> move_point;
inline constexpr yonder::task<e2e::length> length;
inline constexpr yonder::task<e2e::total> total;
inline constexpr yonder::task<e2e::nothing> nothing;
inline constexpr yonder::task<e2e::boxed> boxed;
inline constexpr yonder::task<e2e::unboxed> unboxed;
inline constexpr yonder::task<e2e::doubled> doubled;
inline constexpr yonder::task<e2e::sparse> sparse;
inline constexpr yonder::task<e2e::count_cells> count_cells;
inline constexpr yonder::task<e2e::process> process;
inline constexpr yonder::task<e2e::accept> accept;
inline constexpr yonder::task<e2e::halve> halve;
inline constexpr yonder::task<e2e::give> give;
inline constexpr yonder::task<e2e::fail_with> fail_with;
inline constexpr yonder::task<e2e::fail_at_length> fail_at_length;
inline constexpr yonder::task<e2e::crash> crash;
inline constexpr yonder::task<e2e::wait_for_stop> wait_for_stop;
inline constexpr yonder::task<e2e::ignore_stop> ignore_stop;
inline constexpr yonder::task<e2e::terminate_self> terminate_self;
inline constexpr yonder::task<e2e::retire> retire;
inline constexpr yonder::task<e2e::fail_until_attempt> fail_until_attempt;
inline constexpr yonder::task<e2e::own_id> own_id;
inline constexpr yonder::task<e2e::print> print;
inline constexpr yonder::task<e2e::fill> fill;
inline constexpr yonder::task<e2e::counting> counting;
inline constexpr yonder::task<e2e::blocks> blocks;
inline constexpr yonder::task<e2e::bytes_in> bytes_in;
inline constexpr yonder::task<e2e::doubles_of> doubles_of;
inline constexpr yonder::task<e2e::nested> nested;
inline constexpr yonder::task<e2e::leaves> leaves;
inline constexpr yonder::task<e2e::twice> twice;
inline constexpr auto thrice_of = [](int n) { return n * 3; };
inline constexpr yonder::task<&thrice_of> thrice;

inline constexpr yonder::exception_registration<out_of_paper> out_of_paper_travels;
inline constexpr yonder::exception_registration<coded_error> coded_error_travels;
inline constexpr yonder::exception_registration<http_error> http_error_travels;
inline constexpr yonder::exception_registration<wordy_error> wordy_error_travels;
inline constexpr yonder::exception_registration<unsavable_error> unsavable_error_travels;
inline constexpr yonder::exception_registration<mute_error> mute_error_travels;
inline constexpr yonder::exception_registration<large_error> large_error_travels;

}  // namespace task

std::string nested() { return task::shout.remote("from a worker"); }
int leaves(int depth) {
  if (depth == 0) return 1;
  auto left = task::leaves.spawn(depth - 1);
  auto right = task::leaves.spawn(depth - 1);
  return left.get() + right.get();
}

}  // namespace e2e
