// SPDX-License-Identifier: Apache-2.0
//
// Data that stays where it was made: it is read by one task, and used by many calls, without travelling with
// any of them.
#include <yonder/yonder.hpp>

#include <cmath>
#include <iostream>
#include <vector>

struct table {
  std::vector<double> x, y;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(x, y);
  }
};
struct line {
  double slope = 0, offset = 0;
  template <class Archive>
  void serialize(Archive& archive) {
    archive(slope, offset);
  }
};

// On a worker, which keeps the 3.2 MB.
yonder::ref<table> read_measurements(int count) {
  table all;
  for (int i = 0; i < count; ++i) {
    auto const x = i / static_cast<double>(count);
    all.x.push_back(x);
    all.y.push_back(3 * x + 1);
  }
  return yonder::put(std::move(all));
}
// The gradient of a line's error over a part of them.
line slope_of_error(table const& all, line const& guess, std::size_t begin, std::size_t end) {
  line gradient;
  for (auto i = begin; i < end; ++i) {
    auto const wrong = guess.slope * all.x[i] + guess.offset - all.y[i];
    gradient.slope += wrong * all.x[i];
    gradient.offset += wrong;
  }
  return gradient;
}
inline constexpr yonder::task<read_measurements> measurements;
inline constexpr yonder::task<slope_of_error> gradient_of;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  constexpr std::size_t count = 200'000, parts = 4;
  auto const all = measurements.remote(count);
  line guess;
  for (int step = 0; step < 60; ++step) {
    std::vector<yonder::call<line>> calls;
    for (std::size_t i = 0; i < parts; ++i)
      calls.push_back(gradient_of.spawn(all, guess, i * count / parts, (i + 1) * count / parts));
    for (auto& call : calls) {
      auto const part = call.get();
      guess.slope -= 1.5 * part.slope / count;
      guess.offset -= 1.5 * part.offset / count;
    }
  }
  std::cout << "y = " << std::round(guess.slope * 10) / 10 << " x + " << std::round(guess.offset * 10) / 10
            << "\n";
}
