// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <fstream>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/tasks.hpp"

namespace e2e {
namespace {

// Adds a line to a file, in one piece.
void note(std::string const& file, std::string const& line) {
  std::ofstream(file, std::ios::app) << line + '\n';
}
constexpr yonder::task<note, "e2e.note"> noted;

void note_at_second_attempt(std::string const& file, std::string const& line) {
  if (yonder::this_call::attempt() == 1) throw std::runtime_error("not yet");
  note(file, line);
}
constexpr yonder::task<note_at_second_attempt, "e2e.note_at_second_attempt"> noted_later{{.retries = 1}};

std::vector<std::string> lines_of(std::string const& file) {
  std::vector<std::string> lines;
  std::ifstream from(file);
  for (std::string line; std::getline(from, line);) lines.push_back(line);
  return lines;
}

// One worker, which is busy until it is let go.
struct busy_runtime {
  yonder::runtime here{{.max = 1, .in_process = threads(), .is_current = false}};
  yonder::call<bool> busy = task::wait_for_stop.on(here).spawn();
  folder files;
  std::string const log = files / "log";
};

}  // namespace

TEST_CASE("a higher priority is served first, and a key in turn, whatever others have queued") {
  busy_runtime t;
  auto const task = noted.on(t.here);
  std::vector<yonder::call<void>> calls;
  auto const flood = task.with({.fairness_key = "flood"});
  for (int i = 0; i < 500; ++i) calls.push_back(flood.spawn(t.log, "flood"));
  std::string const few = "few";
  calls.push_back(task.with({.fairness_key = few, .weight = 2}).spawn(t.log, few));
  calls.push_back(task.with({.priority = 9}).spawn(t.log, "urgent"));
  calls.push_back(task.with({.priority = 0}).spawn(t.log, "at last"));
  t.busy.cancel();
  for (auto& one : calls) one.get();
  auto const lines = lines_of(t.log);
  REQUIRE(lines.size() == 503);
  CHECK(lines.front() == "urgent");
  CHECK(lines.back() == "at last");
  CHECK(std::find(lines.begin(), lines.begin() + 4, "few") != lines.begin() + 4);
}

TEST_CASE("calls of one order key run one after the other, also while one is tried again") {
  folder files;
  auto const log = files / "log";
  std::vector<std::string> expected;
  std::vector<yonder::call<void>> calls;
  for (int i = 0; i < 20; ++i) {
    expected.push_back(std::to_string(i));
    if (i == 1)
      calls.push_back(noted_later.with({.order_key = "account 7"}).spawn(log, expected.back()));
    else
      calls.push_back(noted.with({.order_key = "account 7"}).spawn(log, expected.back()));
  }
  for (auto& one : calls) one.get();
  CHECK(lines_of(log) == expected);
}

TEST_CASE("a map under an order key keeps its order") {
  folder files;
  auto const log = files / "log";
  std::vector<std::string> expected;
  std::vector<std::tuple<std::string, std::string>> arguments;
  for (int i = 0; i < 100; ++i) {
    expected.push_back(std::to_string(i));
    arguments.emplace_back(log, expected.back());
  }
  noted.with({.order_key = "k"}).for_each(arguments);
  CHECK(lines_of(log) == expected);
}

TEST_CASE("a priority, a weight or a key that cannot be is refused in words, and the next call works") {
  auto const refused = [](yonder::options settings) {
    auto const failure = failure_of([&] { task::twice.with(settings).remote(1); });
    CHECK(failure.code == yonder::errc::bad_configuration);
    return failure.message;
  };
  CHECK(refused({.priority = 10}) == "the priority is 10; there are 0 to 9, and 9 is served first");
  CHECK(refused({.fairness_key = "k", .weight = 0}) == "the weight is 0; there are 1 to 1000");
  CHECK(refused({.fairness_key = "k", .weight = 1001}) == "the weight is 1001; there are 1 to 1000");
  CHECK(refused({.weight = 2}).find("no fairness_key") != std::string::npos);
  CHECK(refused({.order_key = std::string(65, 'k')}).find("65 bytes; the limit is 64") != std::string::npos);
  CHECK(failure_of([] {
          yonder::runtime({.weights = {{"somebody", 0}}, .is_current = false});
        }).code == yonder::errc::bad_configuration);
  CHECK(task::twice.with({.priority = 9, .order_key = std::string(64, 'k')}).remote(1) == 2);
}

}  // namespace e2e
