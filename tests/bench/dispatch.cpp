// SPDX-License-Identifier: Apache-2.0
//
// Calls through the default local transport, and the peers that carry the same bytes with less comfort.
#include <chrono>
#include <cstring>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "tests/bench/measure.hpp"
#include "tests/bench/raw_socket.hpp"
#include "tests/bench/rows.hpp"
#include "tests/bench/tasks.hpp"
#include "tests/bench/workload.hpp"

namespace bench {
namespace {

constexpr std::size_t message_size = 64;
constexpr std::size_t window = 256;
constexpr std::size_t megabyte_of_floats = (std::size_t{1} << 20) / sizeof(float);

yonder::runtime_options one_worker() {
  yonder::runtime_options options;
  options.max = 1;
  options.scaledown_window = std::chrono::minutes(5);
  return options;
}

// A copy from each of these to the next one.
void copy_along(std::span<std::vector<float>> stations) {
  for (std::size_t i = 1; i < stations.size(); ++i) {
    std::memcpy(stations[i].data(), stations[i - 1].data(), stations[i].size() * sizeof(float));
    observe(stations[i]);
  }
}

}  // namespace

void measure_local(report& to) {
  pinned const here;
  constexpr int calls = 1000;
  auto const repeat = [&](auto call) {
    return time_per_call(calls, [&] {
      int sum = 0;
      for (int i = 0; i < calls; ++i) sum = call(sum, i);
      observe(sum);
    });
  };
  to.add({"local()", "ns", "the plain call", ratio_at_most(1.05)},
         compare([&] { return repeat([](int a, int b) { return plus_task.local(a, b); }); },
                 [&] { return repeat([](int a, int b) { return plus(a, b); }); }));
}

void measure_remote(report& to) {
  auto const message = random_text(message_size);
  auto const* const name = "blocking unix socketpair";
  auto const measure = [&] {
    raw_socket_echo peer;
    yonder::runtime const runtime(one_worker());
    echo_task.remote(message);
    return compare_latency([&] { echo_task.remote(message); }, [&] { peer.round_trip(message); });
  };
  {
    pinned const here;
    auto const found = measure();
    to.add({"remote() p50, same host, one core", "µs", name, ratio_at_most(0.6)}, found.p50, 1e3);
    to.add({"remote() p99, same host, one core", "µs", name, ratio_at_most(0.6)}, found.p99, 1e3);
  }
  row const two_cores{"remote() p50, same host, two cores", "µs", name, at_most(0.5)};
  if (std::thread::hardware_concurrency() < 2)
    to.skip(two_cores, "this machine has one core");
  else
    to.add(two_cores, measure().p50, 1e3);
}

void measure_sizes(report& to) {
  pinned const here;
  raw_socket_echo peer;
  yonder::runtime const runtime(one_worker());
  for (auto const& [size, words] :
       {std::pair(std::size_t{4} << 10, "4 KiB"), {std::size_t{64} << 10, "64 KiB"}}) {
    auto const message = random_text(size);
    echo_task.remote(message);
    auto const found = compare_latency([&] { echo_task.remote(message); }, [&] { peer.round_trip(message); });
    to.add({std::string("remote() p50, text of ") + words + " there and back, one core", "µs",
            "blocking unix socketpair", ratio_at_most(0.6)},
           found.p50, 1e3);
  }
}

// Each hundredth call takes 5 ms, and nobody waits for it; there is a second worker. The peer is the same
// without those.
void measure_beside_long(report& to) {
  pinned const here;
  auto const message = random_text(message_size);
  auto options = one_worker();
  options.max = options.min = 2;
  yonder::runtime const runtime(options);
  auto both = std::pair(sleep_task.spawn(5), sleep_task.spawn(5));
  both.first.get();
  both.second.get();
  std::optional<yonder::call<int>> long_one;
  int calls = 0;
  auto const alone = [&] { echo_task.remote(message); };
  auto const beside = [&] {
    if (++calls % 100 == 0 && !(long_one && !long_one->ready())) long_one.emplace(sleep_task.spawn(5));
    echo_task.remote(message);
  };
  auto const found = compare_latency(beside, alone);
  auto const* const name = "the same without them";
  to.add({"remote() p50 beside 1 % of calls that take 5 ms", "µs", name, ratio_at_most(1.1)}, found.p50, 1e3);
  to.add({"remote() p99 beside 1 % of calls that take 5 ms", "µs", name, ratio_at_most(2)}, found.p99, 1e3);
}

void measure_in_flight(report& to) {
  pinned const here;
  auto const message = random_text(message_size);
  auto const coalesced = random_text(message_size * window);
  raw_socket_echo peer;
  yonder::runtime const runtime(one_worker());
  echo_task.remote(message);
  auto const raw = [&] { return rate_of(window, [&] { peer.round_trip(coalesced); }); };
  auto const* const name = "unix socketpair, coalesced";
  to.add({"spawn/get, 256 in flight, same host, one core", "calls/s", name, at_least(3e6)},
         compare([&] { return spawn_rate(message, window); }, raw));
  std::vector<int> numbers(10'000);
  std::iota(numbers.begin(), numbers.end(), 0);
  to.add({"map of int(int), same host, one core", "calls/s", name, at_least(5e6)},
         compare([&] { return rate_of(numbers.size(), [&] { twice_task.for_each(numbers); }); }, raw));
}

void measure_bulk(report& to) {
  pinned const here;
  auto const numbers = random_floats(megabyte_of_floats);
  std::vector<std::vector<float>> stations(5, numbers);
  auto const copies = [&](std::size_t count) {
    return time_per_call(1, [&] { copy_along(std::span(stations).first(count + 1)); });
  };
  yonder::runtime const runtime(one_worker());
  copy_numbers_task.remote(numbers);
  to.add({"1 MiB span in, vector<float> out, same host", "µs",
          "four memcpys: into the memory, the task's own, into it, out of it", ratio_at_most(1.25)},
         compare([&] { return time_per_call(1, [&] { copy_numbers_task.remote(numbers); }); },
                 [&] { return copies(4); }),
         1e3);
  echo_numbers_task.remote(numbers);
  to.add({"1 MiB vector<float> in and out, same host", "µs", "two memcpys", ratio_at_most(1.25)},
         compare([&] { return time_per_call(1, [&] { echo_numbers_task.remote(numbers); }); },
                 [&] { return copies(2); }),
         1e3);
}

}  // namespace bench
