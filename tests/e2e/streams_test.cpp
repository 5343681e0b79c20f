// SPDX-License-Identifier: Apache-2.0
//
// Tasks that return generators, and tasks that read their input item by item. The pool has two workers.
#include <doctest/doctest.h>
#include <signal.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <numeric>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "tests/e2e/tasks.hpp"

using namespace std::chrono_literals;

namespace e2e::streaming {

class multiplier {
 public:
  explicit multiplier(int by) : by_(by) {}
  yonder::generator<int> times(int n) {
    for (int i = 1; i <= n; ++i) co_yield by_* i;
    asked_ = true;
  }
  bool healthy() const { return !asked_; }  // one stream is enough

 private:
  int by_;
  bool asked_ = false;
};

namespace {

// A task leaves a mark in a folder of its test's.
void mark(std::string const& folder, std::string const& what) { std::ofstream(folder + "/" + what).put('x'); }
bool has_mark(std::string const& folder, std::string const& what) {
  return std::filesystem::exists(folder + "/" + what);
}

yonder::generator<std::string> words(std::string const& text) {
  std::string word;
  for (char const c : text + " ") {
    if (c != ' ') {
      word += c;
    } else if (!word.empty()) {
      co_yield std::exchange(word, {});
    }
  }
}
yonder::generator<int> fail_after(int n) {
  for (int i = 0; i < n; ++i) co_yield i;
  throw std::out_of_range("no more");
}
// Says in `folder` how far it is, and that it has ended.
yonder::generator<int> marked_count(std::string folder) {
  struct farewell {
    std::string const& folder;
    ~farewell() { mark(folder, "ended"); }
  } const at_end{folder};
  for (int i = 0;; ++i) {
    mark(folder, std::to_string(i));
    co_yield i;
  }
}
yonder::generator<std::vector<double>> marked_blocks(std::string folder, int size) {
  for (int i = 0;; ++i) {
    mark(folder, std::to_string(i));
    co_yield std::vector<double>(static_cast<std::size_t>(size), i);
  }
}
yonder::generator<int> never() {
  while (!yonder::this_call::stop_requested()) std::this_thread::yield();
  co_return;
}
yonder::generator<int> die_at(int n, std::string folder) {
  for (int i = 0; i < 2 * n; ++i) {
    if (i == n && has_mark(folder, "died")) {
    } else if (i == n) {
      mark(folder, "died");
      ::raise(SIGKILL);
    }
    co_yield i;
  }
}
long sum_of(yonder::input_stream<int> numbers) {
  long sum = 0;
  for (int const n : numbers) sum += n;
  return sum;
}
int first_of(yonder::input_stream<int> numbers) { return numbers.next().value_or(-1); }
yonder::generator<positive> positives(int n) {
  for (int i = n; i > -n; --i) co_yield give(i);
}
constexpr yonder::service<multiplier(int), "e2e.multiplier"> multipliers{{.max = 1}};
constexpr yonder::method<&multiplier::times, "e2e.multiplier.times"> times_of;

int sum_within(int n) {
  int sum = 0;
  for (int const i : task::counting.stream(n)) sum += i;
  return sum;
}

constexpr std::size_t mebibyte = 1 << 20;
// What a process had at most of memory since it was asked to count anew, in MiB.
void count_memory_anew() { std::ofstream("/proc/self/clear_refs") << "5"; }
long memory_at_most() {
  std::ifstream status("/proc/self/status");
  for (std::string line; std::getline(status, line);)
    if (line.starts_with("VmHWM:")) return std::stol(line.substr(6)) / 1024;
  return -1;
}
yonder::generator<std::vector<float>> mebibytes(int count) {
  for (int i = 0; i < count; ++i)
    co_yield std::vector<float>(mebibyte / sizeof(float), static_cast<float>(i));
}
// Hands on what it reads.
yonder::generator<std::vector<float>> pass_on(yonder::input_stream<std::vector<float>> blocks) {
  for (auto& block : blocks) co_yield std::move(block);
}

constexpr yonder::task<pass_on, "e2e.pass_on"> passing;
constexpr yonder::task<memory_at_most, "e2e.memory_at_most"> memory_there;
constexpr yonder::task<words, "e2e.words"> split;
constexpr yonder::task<fail_after, "e2e.fail_after"> failing;
constexpr yonder::task<marked_count, "e2e.marked_count"> marked;
constexpr yonder::task<marked_blocks, "e2e.marked_blocks"> large_and_marked;
constexpr yonder::task<never, "e2e.never"> nothing_comes;
constexpr yonder::task<die_at, "e2e.die_at"> dying;
constexpr yonder::task<sum_of, "e2e.sum_of"> summed;
constexpr yonder::task<first_of, "e2e.first_of"> first;
constexpr yonder::task<positives, "e2e.positives"> shrinking;
constexpr yonder::task<sum_within, "e2e.sum_within"> nested_sum;

template <class Range>
auto all_of(Range&& range) {
  std::vector<typename std::remove_cvref_t<Range>::value_type> items;
  for (auto&& item : range) items.push_back(std::move(item));
  return items;
}

std::vector<int> up_to(int n) {
  std::vector<int> numbers(static_cast<std::size_t>(n));
  std::iota(numbers.begin(), numbers.end(), 1);
  return numbers;
}

}  // namespace

TEST_CASE("a task's generator is read item by item, here and on a worker") {
  CHECK(all_of(task::counting.local(5)) == up_to(5));
  CHECK(all_of(task::counting.stream(5)) == up_to(5));
  CHECK(all_of(task::counting.stream(0)).empty());
  CHECK(all_of(split.stream("to be or not")) == std::vector<std::string>{"to", "be", "or", "not"});
}

TEST_CASE("many small items, and large ones, come in order, each once") {
  CHECK(all_of(task::counting.stream(100'000)) == up_to(100'000));
  int next = 0;
  for (auto const& block : task::blocks.stream(40, 40'000)) {
    CHECK(block.size() == 40'000);
    CHECK(block.back() == next++);
  }
  CHECK(next == 40);
}

TEST_CASE("what a generator throws after k items arrives after k items") {
  int seen = 0;
  CHECK_THROWS_AS(
      [&] {
        for (int const i : failing.stream(1000)) seen += i >= 0 ? 1 : 0;
      }(),
      std::out_of_range);
  CHECK(seen == 1000);
}

TEST_CASE("a slow reader stops the producer") {
  folder const own;
  auto items = marked.stream(own / "").window(4);
  auto i = items.begin();
  for (int n = 0; n < 10; ++n, ++i) CHECK(*i == n);
  // It is at most four ahead of the ten, and in the next one.
  for (int n = 0; n < 10; ++n) CHECK(has_mark(own / "", std::to_string(n)));
  CHECK_FALSE(has_mark(own / "", "16"));
}

TEST_CASE("a slow reader of large items holds few of them, and so does the producer") {
  folder const own;
  yonder::runtime here({.max = 1, .in_process = threads()});
  auto items = large_and_marked.on(here).stream(own / "", 1 << 17);  // 1 MiB each
  auto i = items.begin();
  while (here.snapshot().waiting_workers == 0) std::this_thread::yield();
  CHECK(has_mark(own / "", "3"));
  CHECK_FALSE(has_mark(own / "", "6"));
  for (int n = 0; n < 20; ++n, ++i) CHECK(i->back() == n);
}

TEST_CASE("a reader who leaves early ends the producer") {
  folder const own;
  for (int const i : marked.stream(own / ""))
    if (i == 3) break;
  while (!has_mark(own / "", "ended")) std::this_thread::yield();
  CHECK(task::twice.remote(2) == 4);
}

TEST_CASE("a cancel ends a stream for its reader, too") {
  auto items = nothing_comes.stream();
  std::thread other;
  CHECK_THROWS_AS(
      [&] {
        auto range = std::move(items).window(1);
        other = std::thread([&] { range.cancel(); });
        for (int const i : range) CHECK(i == 0);
      }(),
      yonder::cancelled);
  other.join();
}

TEST_CASE("a stream that is cancelled before it is read yields nothing") {
  auto items = nothing_comes.with({.deadline = 10s}).stream();
  items.cancel();
  CHECK_THROWS_AS(
      [&] {
        for (int const i : items) CHECK(i == 0);
      }(),
      yonder::cancelled);
}

TEST_CASE("a generator that never yields is ended by its timeout, and by the deadline") {
  auto const read = [](auto&& range) {
    for (int const i : range) CHECK(i == 0);
  };
  CHECK_THROWS_AS(read(nothing_comes.with({.timeout = 20ms}).stream()), yonder::timed_out);
  CHECK_THROWS_AS(read(nothing_comes.with({.deadline = 20ms}).stream()), yonder::deadline_exceeded);
}

TEST_CASE("a stream that was moved from is refused, in words, also in the middle of what came") {
  auto whole = task::counting.stream(100);
  auto next = whole.begin();
  ++next;
  auto rest = std::move(whole);
  // NOLINTBEGIN(bugprone-use-after-move)
  CHECK_THROWS_AS(++next, yonder::usage_error);
  CHECK_THROWS_AS(whole.begin(), yonder::usage_error);
  CHECK_THROWS_AS((void)std::move(whole).window(3), yonder::usage_error);
  whole.cancel();
  CHECK(whole.id() == yonder::call_id{});
  // NOLINTEND(bugprone-use-after-move)
}

TEST_CASE("a stream is read once") {
  auto items = task::counting.stream(3);
  CHECK(all_of(items) == up_to(3));
  auto const refused = failure_of([&] { (void)items.begin(); });
  CHECK(refused.code == yonder::errc::already_read);
  CHECK(refused.message.find("read once") != std::string::npos);
}

TEST_CASE("after the first item a lost attempt is repeated only if it is idempotent, and goes on behind it") {
  if (threads()) return;
  folder const once;
  std::vector<int> seen;
  auto const read = [&](auto&& range) {
    seen.clear();
    for (int const i : range) seen.push_back(i);
  };
  CHECK_THROWS_AS(read(dying.with({.retries = 3}).stream(5, once / "")), yonder::worker_lost);
  REQUIRE_FALSE(seen.empty());
  CHECK(seen.size() <= 5);  // of what it had made, the last items may have gone with it
  folder const again;
  read(dying.with({.idempotent = true}).stream(5, again / ""));
  CHECK(seen == std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9});
}

TEST_CASE("an item that does not decode is told by its number") {
  auto const failed = failure_of([] {
    for (auto const& one : shrinking.stream(2)) CHECK(one.value >= 0);
  });
  CHECK(failed.message.find("item 3 of the stream") != std::string::npos);
}

TEST_CASE("a service's method streams, and its health is asked after the last item") {
  auto const by_three = multipliers(3);
  CHECK(all_of(times_of.on(by_three).stream(4)) == std::vector<int>{3, 6, 9, 12});
  CHECK(all_of(times_of.on(by_three).stream(2)) == std::vector<int>{3, 6});
  CHECK(all_of(times_of.on(by_three).local(2)) == std::vector<int>{3, 6});
}

TEST_CASE("a task streams from a task") { CHECK(nested_sum.remote(2000) == 2'001'000); }

TEST_CASE("a task reads a range of its caller") {
  auto const numbers = up_to(10'000);
  CHECK(summed.local(numbers) == 50'005'000);
  CHECK(summed.remote(numbers) == 50'005'000);
  CHECK(summed.remote(std::vector<int>{}) == 0);
  CHECK(summed.try_remote(up_to(3)).value() == 6);
  CHECK(task::bytes_in.remote("prefix", blocks(50, 40'000)) == 6 + 50 * 40'000 * sizeof(double));
}

TEST_CASE("a task need not read all of its input, and its caller reads no further than it takes") {
  int made = 0;
  auto const numbers = [&]() -> yonder::generator<int> {
    for (;; ++made) co_yield made;
  };
  CHECK(first.remote(numbers()) == 0);
  CHECK(made <= 2 * 1024 + 1);
}

TEST_CASE("what a caller's range throws ends the call and is thrown to the caller") {
  CHECK_THROWS_AS(summed.remote(fail_after(10)), std::out_of_range);
  CHECK(task::twice.remote(2) == 4);
}

TEST_CASE("what is much larger than memory passes through both sides, each of which holds 64 MiB at most" *
          doctest::skip(threads() || YONDER_IS_SANITIZED)) {
  auto const* const asked = std::getenv("YONDER_E2E_STREAMED_GIB");
  int const count = 1024 * (asked != nullptr ? std::stoi(asked) : 1);
  yonder::runtime here({.max = 1, .is_current = false});
  auto const before = memory_there.on(here).remote();
  count_memory_anew();
  auto const held = memory_at_most();
  int seen = 0;
  for (auto const& block : passing.on(here).stream(mebibytes(count))) {
    REQUIRE(block.size() == mebibyte / sizeof(float));
    REQUIRE(block.back() == static_cast<float>(seen++));
  }
  CHECK(seen == count);
  CHECK(memory_at_most() - held <= 64);
  CHECK(memory_there.on(here).remote() - before <= 64);
}

TEST_CASE("a task streams in and out at once") {
  std::vector<int> expected;
  for (int const n : up_to(5000)) expected.push_back(2 * n);
  CHECK(all_of(task::doubles_of.stream(up_to(5000))) == expected);
  CHECK(all_of(task::doubles_of.local(up_to(3))) == std::vector<int>{2, 4, 6});
}

TEST_CASE("two streams are read side by side") {
  auto odd = task::counting.stream(300);
  auto even = task::counting.stream(300);
  auto a = odd.begin();
  for (int const i : even) {
    CHECK(*a == i);
    ++a;
  }
}

}  // namespace e2e::streaming
