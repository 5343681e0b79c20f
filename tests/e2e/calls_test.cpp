// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <cstdint>
#include <fstream>
#include <future>
#include <numeric>
#include <span>
#include <sstream>
#include <string>
#include <string_view>
#include <thread>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/tasks.hpp"
#include "yonder/testing.hpp"

using namespace std::chrono_literals;

namespace e2e {
namespace {

constexpr yonder::task<[](int n) { return n * 4; }, "e2e.fourfold"> fourfold;

// Which file of this process's memory has these bytes.
std::string file_of(void const* data) {
  std::ifstream maps("/proc/self/maps");
  for (std::string line; std::getline(maps, line);) {
    std::uintptr_t begin = 0, end = 0;
    char dash = 0;
    std::istringstream(line) >> std::hex >> begin >> dash >> end;
    auto const at = reinterpret_cast<std::uintptr_t>(data);
    if (at >= begin && at < end) return line.substr(std::min(line.size(), line.find('/')));
  }
  return {};
}
std::string where_span_lies(std::span<double const> numbers) { return file_of(numbers.data()); }
std::string where_text_lies(std::string_view text) { return file_of(text.data()); }
std::string where_vector_lies(std::vector<double> const& numbers) { return file_of(numbers.data()); }
constexpr yonder::task<where_span_lies, "e2e.where_span_lies"> span_lies;
constexpr yonder::task<where_text_lies, "e2e.where_text_lies"> text_lies;
constexpr yonder::task<where_vector_lies, "e2e.where_vector_lies"> vector_lies;

}  // namespace

TEST_CASE("a queued call that another thread cancels ends at once for whoever waits for it") {
  yonder::runtime here({.max = 1, .in_process = threads(), .is_current = false});
  auto busy = task::wait_for_stop.on(here).spawn();
  for (int round = 0; round < 10; ++round) {
    auto queued = task::twice.on(here).spawn(round);
    auto waits = std::async(std::launch::async, [&] { return failure_of([&] { queued.get(); }).code; });
    while (here.snapshot().queued != 1) std::this_thread::yield();
    CHECK_FALSE(busy.get_for(10ms).has_value());  // it waits meanwhile, and leads
    queued.cancel();
    auto const in_time = waits.wait_for(10s) == std::future_status::ready;
    if (!in_time) busy.cancel();  // which wakes it
    REQUIRE(in_time);
    CHECK(waits.get() == yonder::errc::cancelled);
  }
  busy.cancel();
}

TEST_CASE("every kind of parameter and result comes back as from the plain call") {
  CHECK(task::add.remote(1, 2) == 3);
  CHECK(task::shout.remote("hello") == "hello!");
  CHECK(task::move_point.remote({1, "here"}, 2) == point{3, "here"});
  CHECK(task::length.remote("four") == 4);
  CHECK(task::total.remote(std::vector<double>{1, 2, 3.5}) == 6.5);
  task::nothing.remote();
  CHECK(*task::boxed.remote(7) == 7);
  CHECK(task::unboxed.remote(std::make_unique<int>(8)) == 8);
  CHECK(task::twice.remote(4) == 8);
  CHECK(task::thrice.remote(4) == 12);
  CHECK(fourfold.remote(4) == 16);
}

TEST_CASE("a remote call runs in another process, unless workers are threads") {
  CHECK((task::process.remote() == ::getpid()) == threads());
  CHECK(task::process.local() == ::getpid());
}

TEST_CASE("round_trip proves that here and yonder agree, without a worker") {
  CHECK(yonder::testing::round_trip(task::move_point, point{1, "here"}, 2) ==
        task::move_point.local({1, "here"}, 2));
  CHECK(yonder::testing::round_trip(task::total, std::vector<double>{1, 2}) == 3);
  CHECK(*yonder::testing::round_trip(task::boxed, 4) == 4);
  yonder::testing::round_trip(task::nothing);
  positive bad;
  bad.value = -1;
  CHECK_THROWS_AS(yonder::testing::round_trip(task::accept, bad), yonder::codec_error);
}

TEST_CASE("large arguments and results travel whole") {
  std::vector<float> numbers(3'000'000);
  std::iota(numbers.begin(), numbers.end(), 0.0F);
  auto const expected = task::doubled.local(numbers);
  CHECK(task::doubled.remote(numbers) == expected);
  CHECK(task::doubled.spawn(numbers).get() == expected);
  CHECK(task::doubled.spawn(std::vector<float>(numbers)).get() == expected);
  CHECK(task::fill.remote(5'000'000).size() == 5'000'000);
}

TEST_CASE("a task reads a large span or text where its caller's process has put it") {
  if (threads()) return;
  std::vector<double> const numbers(10'000);
  CHECK(span_lies.remote(numbers).find("/memfd:yonder") == 0);
  CHECK(text_lies.remote(std::string(40'000, 'x')).find("/memfd:yonder") == 0);
  CHECK(vector_lies.remote(numbers).find("/memfd") == std::string::npos);
  CHECK(span_lies.remote(std::vector<double>(3)).find("/memfd") == std::string::npos);
}

TEST_CASE("std exceptions and registered ones come back as themselves") {
  CHECK_THROWS_WITH_AS(task::fail_with.remote("out_of_range"), "past the end", std::out_of_range);
  CHECK_THROWS_AS(task::fail_with.remote("bad_alloc"), std::bad_alloc);
  CHECK_THROWS_WITH_AS(task::fail_with.remote("out_of_paper"), "tray 2", out_of_paper);
  try {
    task::fail_with.remote("coded");
    FAIL("nothing was thrown");
  } catch (coded_error const& error) {
    CHECK(error.code == 42);
  }
  try {
    task::fail_with.remote("http");
    FAIL("nothing was thrown");
  } catch (http_error const& error) {
    CHECK(std::string(error.what()) == "not found");
    CHECK(error.status == 404);
  }
}

TEST_CASE("an exception comes back whole whatever its size") {
  for (int const size : {0, 32'767, 32'768, 1 << 20}) {
    CAPTURE(size);
    try {
      task::fail_at_length.remote(size);
      FAIL("nothing was thrown");
    } catch (std::runtime_error const& error) {
      CHECK(std::string(error.what()).size() == static_cast<std::size_t>(size));
    }
  }
  try {
    task::fail_with.remote("large");
    FAIL("nothing was thrown");
  } catch (large_error const& error) {
    CHECK(error.numbers == std::vector<int>(100'000, 7));
  }
}

TEST_CASE("an exception that cannot be saved or made again comes back as remote_error") {
  auto const unsavable = failure_of([] { task::fail_with.remote("unsavable"); });
  CHECK(unsavable.code == yonder::errc::failed);
  CHECK(unsavable.type_name == "e2e::unsavable_error");
  auto const mute = failure_of([] { task::fail_with.remote("mute"); });
  CHECK(mute.code == yonder::errc::failed);
  CHECK(mute.type_name == "e2e::mute_error");
  auto const wordy = failure_of([] { task::fail_with.remote("wordy"); });
  CHECK(wordy.type_name == "e2e::wordy_error");
  CHECK(wordy.message == "in other words: no");
  CHECK(task::add.remote(1, 2) == 3);
}

TEST_CASE("any other exception comes back as remote_error with its type and text") {
  auto const unregistered = failure_of([] { task::fail_with.remote("unregistered"); });
  CHECK(unregistered.code == yonder::errc::failed);
  CHECK(unregistered.type_name == "e2e::unregistered_error");
  CHECK(unregistered.message == "nobody knows me");
  CHECK(unregistered.task == "e2e::fail_with");
  CHECK(unregistered.attempt == 1);
  CHECK_FALSE(unregistered.worker.empty());
  CHECK_THROWS_AS(task::fail_with.remote("unregistered"), yonder::remote_error);
  CHECK(failure_of([] { task::fail_with.remote("int"); }).type_name == "int");
}

TEST_CASE("try_remote gives the value or the error") {
  auto const good = task::fail_with.try_remote("no");
  REQUIRE(good);
  CHECK(*good == 0);
  auto const bad = task::fail_with.try_remote("out_of_range");
  REQUIRE_FALSE(bad);
  CHECK(bad.error().details().type_name == "std::out_of_range");
  CHECK(task::nothing.try_remote());
}

TEST_CASE("a deadline or a timeout of zero is over as it begins") {
  CHECK(task::add.with({.deadline = 0ns}).try_remote(1, 2).error().code() == yonder::errc::deadline_exceeded);
  CHECK(task::wait_for_stop.with({.timeout = 0ns}).try_remote().error().code() == yonder::errc::timed_out);
}

TEST_CASE("value() throws what remote() throws, also after the call has gone") {
  CHECK_THROWS_AS((void)task::fail_with.try_remote("out_of_range").value(), std::out_of_range);
  CHECK_THROWS_WITH_AS((void)task::fail_with.try_remote("out_of_paper").value(), "tray 2", out_of_paper);
  CHECK_THROWS_AS((void)task::give.try_remote(-1).value(), yonder::undecodable);
  auto const late = task::add.with({.deadline = 0ns}).try_remote(1, 2);
  CHECK_THROWS_AS((void)late.value(), yonder::deadline_exceeded);
  yonder::error const kept = task::fail_with.try_remote("out_of_range").error();
  CHECK_THROWS_AS(kept.rethrow(), std::out_of_range);
}

TEST_CASE("a result that does not decode is an error as a value, too") {
  CHECK(task::give.try_remote(-1).error().code() == yonder::errc::undecodable);
  CHECK(task::give.spawn(-1).try_get().error().code() == yonder::errc::undecodable);
  std::vector<int> const values{1, -1, 2};
  std::vector<bool> good;
  for (auto const& one : task::give.map(values).on_error(yonder::on_error::collect))
    good.push_back(one.has_value());
  CHECK(good == std::vector<bool>{true, false, true});
}

TEST_CASE("a task whose structure cannot be found is refused when it is used, and no other") {
  using yonder::codec_error;
  CHECK(task::halve.local({4}) == 2);
  CHECK_THROWS_AS(task::halve.remote({4}), codec_error);
  CHECK_THROWS_AS((void)task::halve.spawn({4}), codec_error);
  std::vector<at_least_two> const numbers{{4}, {6}};
  CHECK_THROWS_AS(task::halve.for_each(numbers), codec_error);
  auto const refused = task::halve.try_remote({4});
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == yonder::errc::bad_configuration);
  CHECK(refused.error().details().message.find("yonder::schema<e2e::at_least_two>") != std::string::npos);
  CHECK(refused.error().details().message.find("at least two") != std::string::npos);
  CHECK(task::add.remote(1, 2) == 3);
}

TEST_CASE("what takes much more memory than bytes is refused with the option that admits it, and admitted") {
  constexpr int cells = 9000;  // 72 MB
  auto const sent = failure_of([] { task::count_cells.remote(sparse(cells)); });
  CHECK(sent.code == yonder::errc::too_large);
  CHECK(sent.message.find("runtime_options::max_decoded_bytes") != std::string::npos);
  auto const returned = failure_of([] { task::sparse.remote(cells); });
  CHECK(returned.code == yonder::errc::too_large);
  CHECK(returned.message.find("runtime_options::max_decoded_bytes") != std::string::npos);

  yonder::runtime large({.max = 1, .in_process = threads(), .max_decoded_bytes = std::size_t{80} << 20});
  CHECK(task::count_cells.on(large).remote(sparse(cells)) == cells);
  CHECK(task::sparse.on(large).remote(cells).size() == cells);
  yonder::runtime small({.max = 1, .in_process = threads(), .max_decoded_bytes = 1000});
  CHECK(failure_of([&] { task::doubled.on(small).remote(std::vector<float>(251)); }).code ==
        yonder::errc::too_large);
  CHECK(task::doubled.on(small).remote(std::vector<float>(250)).size() == 250);
}

TEST_CASE("a runtime without workers says so at once") {
  yonder::runtime none({.max = 0, .in_process = threads()});
  auto const refused = task::add.on(none).try_remote(1, 2);
  REQUIRE_FALSE(refused);
  CHECK(refused.error().code() == yonder::errc::unsatisfiable);
}

TEST_CASE("several threads may wait for one call while another one leads") {
  auto slow = task::wait_for_stop.spawn();
  std::thread leader([&] { CHECK_THROWS_AS(slow.get(), yonder::cancelled); });
  for (int i = 0; i < 20; ++i) {
    auto quick = task::wait_for_stop.spawn();
    auto const wait = [&] { CHECK_THROWS_AS(quick.get(), yonder::cancelled); };
    CHECK_FALSE(quick.get_for(1us));  // one who gives up takes nobody's place
    std::thread one(wait);
    std::thread other(wait);
    CHECK_FALSE(quick.get_for(1ms));
    quick.cancel();
    one.join();
    other.join();
  }
  CHECK_FALSE(slow.ready());
  slow.cancel();
  leader.join();
}

TEST_CASE("a spawned call can be asked, waited for and named") {
  auto call = task::own_id.spawn();
  auto const id = yonder::to_string(call.id());
  CHECK(id.size() == 32);
  CHECK(call.get() == id);
  CHECK(call.ready());
  CHECK(call.get() == id);
  CHECK(*task::add.spawn(1, 2).get_for(10s) == 3);
  CHECK(*task::add.spawn(1, 2).get_for(std::chrono::nanoseconds::max()) == 3);
  CHECK(*task::add.spawn(1, 2).get_for(std::chrono::duration<double>(1e300)) == 3);
  CHECK(task::nothing.spawn().get_for(10s));
  CHECK(task::fail_with.spawn("int").try_get().error().code() == yonder::errc::failed);
}

TEST_CASE("get_for gives up waiting, and the call goes on") {
  auto call = task::wait_for_stop.spawn();
  CHECK_FALSE(call.get_for(5ms));
  CHECK_FALSE(call.ready());
  call.cancel();
  CHECK_THROWS_AS(call.get(), yonder::cancelled);
}

TEST_CASE("a worker that retires hands back what it has not started") {
  yonder::runtime one({.max = 1, .in_process = threads()});
  std::vector<yonder::call<std::string>> calls;
  calls.reserve(20);
  for (int i = 0; i < 20; ++i) calls.push_back(task::retire.on(one).spawn());
  for (auto& call : calls) CHECK(call.get() == yonder::to_string(call.id()));
}

TEST_CASE("several threads may call at once") {
  std::vector<std::thread> threads;
  threads.reserve(8);
  std::atomic<int> right{0};
  for (int t = 0; t < 8; ++t)
    threads.emplace_back([&right, t] {
      for (int i = 0; i < 200; ++i) right += task::add.remote(t, i) == t + i;
    });
  for (auto& thread : threads) thread.join();
  CHECK(right == 1600);
}

TEST_CASE("the placement policy decides where task(arguments…) runs") {
  auto const here = task::process.with({.placement = yonder::placement::local});
  CHECK(here() == ::getpid());
  CHECK(task::process.with({.placement = yonder::placement::prefer_local})() == ::getpid());
  if (!threads()) CHECK(task::process() != ::getpid());
}

TEST_CASE("retries make an attempt that threw again, with a backoff") {
  CHECK(task::fail_until_attempt.with({.retries = 2}).remote(2) == 2);
  CHECK_THROWS_AS(task::fail_until_attempt.remote(2), std::runtime_error);
}

TEST_CASE("promise 7: what has expired ends as deadline_exceeded, also while it runs") {
  // Where no worker has come to it within the time it has no attempt.
  std::uint32_t attempt = 0;
  for (auto deadline = 100ms; attempt == 0 && deadline < 30s; deadline *= 2) {
    auto const start = std::chrono::steady_clock::now();
    auto const late = task::wait_for_stop.with({.deadline = deadline}).try_remote();
    REQUIRE_FALSE(late);
    CHECK(late.error().code() == yonder::errc::deadline_exceeded);
    CHECK(std::chrono::steady_clock::now() - start >= deadline);
    attempt = late.error().details().attempt;
  }
  CHECK(attempt == 1);
  CHECK(task::add.remote(1, 1) == 2);
}

TEST_CASE("an attempt that outlasts its timeout ends as timed_out, and the next call works") {
  CHECK_THROWS_AS(task::wait_for_stop.with({.timeout = 50ms}).remote(), yonder::timed_out);
  CHECK(task::add.remote(1, 1) == 2);
}

TEST_CASE("arguments and results past the limit are refused in words") {
  yonder::runtime small({.max = 1, .in_process = threads(), .max_call_bytes = 100'000});
  CHECK_THROWS_AS(task::shout.on(small).remote(std::string(100'001, 'x')), yonder::too_large);
  CHECK_THROWS_AS(task::fill.on(small).remote(100'001), yonder::too_large);
  CHECK_THROWS_AS(task::fill.on(small).remote(1'000'000), yonder::too_large);
  CHECK(failure_of([&] { task::fail_at_length.on(small).remote(1'000'000); }).code == yonder::errc::failed);
  CHECK(task::shout.on(small).remote("x") == "x!");
}

TEST_CASE("values that their type refuses to load end as undecodable, on either side") {
  positive bad;
  bad.value = -1;
  auto const argument = failure_of([&] { task::accept.remote(bad); });
  CHECK(argument.code == yonder::errc::undecodable);
  CHECK(argument.message.find("a positive is not negative") != std::string::npos);
  CHECK(failure_of([] { task::give.remote(-1); }).code == yonder::errc::undecodable);
  CHECK(task::accept.remote(task::give.remote(5)) == 5);
}

TEST_CASE("a call or a map that was moved from is refused, in words, wherever it is used") {
  auto call = task::add.spawn(1, 2);
  auto const kept = std::move(call);
  std::vector<yonder::call<int>> some;
  some.push_back(task::add.spawn(1, 2));
  some.push_back(std::move(some.front()));
  auto map = task::twice.map(std::vector{1, 2});
  auto const whole = std::move(map);
  auto const refused = [](auto use) {
    auto const failure = failure_of(use);
    CHECK(failure.code == yonder::errc::already_read);
    CHECK(failure.message.find("was moved from") != std::string::npos);
  };
  // NOLINTBEGIN(bugprone-use-after-move)
  refused([&] { call.get(); });
  refused([&] { call.get_for(1s); });
  refused([&] { (void)call.try_get(); });
  refused([&] { call.wait(); });
  refused([&] { (void)call.operator co_await(); });
  refused([&] { task::add.spawn(call, 2).get(); });
  refused([&] { task::add.spawn(std::move(call), 2).get(); });
  refused([&] { yonder::when_all(some).get(); });
  refused([&] { (void)yonder::when_all(some).operator co_await(); });
  refused([&] { yonder::when_all(call, some.back()).get(); });
  refused([&] { yonder::when_any(some).get(); });
  refused([&] { (void)map.begin(); });
  CHECK(call.ready());
  call.cancel();
  CHECK(call.id() == yonder::call_id{});
  // NOLINTEND(bugprone-use-after-move)
  kept.wait();
  CHECK(some.back().get() == 3);
}

TEST_CASE("a runtime that ends completes its calls with disconnected") {
  auto ended = std::make_unique<yonder::runtime>(yonder::runtime_options{.max = 1, .in_process = threads()});
  auto call = task::wait_for_stop.on(*ended).spawn();
  ended.reset();
  CHECK_THROWS_AS(call.get(), yonder::disconnected);
}

}  // namespace e2e
