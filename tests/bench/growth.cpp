// SPDX-License-Identifier: Apache-2.0
//
// What a call costs and holds where very many are queued, and what of it is left when they have ended.
#include <chrono>
#include <fstream>
#include <thread>
#include <vector>

#include "tests/bench/measure.hpp"
#include "tests/bench/rows.hpp"
#include "tests/bench/tasks.hpp"

namespace bench {
namespace {

constexpr std::size_t few = 1'000;
constexpr std::size_t many = 1'000'000;
constexpr double most_bytes = 256;  // of each, beside its arguments

double resident() {
  std::ifstream file("/proc/self/statm");
  double size = 0, pages = 0;
  file >> size >> pages;
  return pages * 4096;
}

using calls = std::vector<yonder::call<int>>;

// So many at once, then all their values. In ns a call.
template <class Queued>
double spawn_all(std::size_t count, Queued queued) {
  calls made;
  made.reserve(count);
  auto const begin = now();
  for (std::size_t i = 0; i < count; ++i) made.push_back(twice_task.spawn(static_cast<int>(i)));
  auto const spawned = now();
  queued();
  auto const resumed = now();
  for (auto& one : made) one.get();
  return static_cast<double>(now() - resumed + spawned - begin) / static_cast<double>(count);
}

double spawn_few() {
  constexpr int times = 50;
  double sum = 0;
  for (int i = 0; i < times; ++i) sum += spawn_all(few, [] {});
  return sum / times;
}

}  // namespace

void measure_growth(report& to) {
  pinned const here;
  yonder::runtime_options options;
  options.max = 1;
  options.scaledown_window = std::chrono::minutes(5);
  yonder::runtime const runtime(options);
  spawn_few();
  std::vector<double> held, left, limit;
  auto const cost = compare(
      [&] {
        auto const before = resident();
        auto const time = spawn_all(many, [&] { held.push_back((resident() - before) / many); });
        std::this_thread::sleep_for(std::chrono::seconds(1));
        left.push_back((resident() - before) / 1e6);
        limit.push_back(most_bytes);
        return time;
      },
      spawn_few);
  to.add({"spawn and get, 10⁶ queued, one core", "ns", "10³ queued", ratio_at_most(1.5)}, cost);
  to.add({"resident memory of a queued call, 10⁶ queued", "bytes", "the limit", at_most(most_bytes)},
         summarize(held, limit));
  to.add({"resident memory left a second after 10⁶ calls", "MB", "256 bytes each", at_most(32)},
         summarize(left, limit));
}

}  // namespace bench
