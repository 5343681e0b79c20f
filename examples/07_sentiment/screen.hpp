// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>
#include <vector>

// What the example shows: nothing of Yonder.

// On a terminal only.
inline void show_progress(std::size_t done, std::size_t all) {
  if (::isatty(STDERR_FILENO) == 0) return;
  constexpr std::size_t width = 40;
  auto const filled = all == 0 ? width : width * done / all;
  std::string const bar = std::string(filled, '#') + std::string(width - filled, '.');
  std::fprintf(stderr, "\r[%s] %zu of %zu%s", bar.c_str(), done, all, done == all ? "\n" : "");
}

// `width` code points: a longer text loses its end, a shorter one gets blanks.
inline std::string shortened(std::string const& text, std::size_t width) {
  std::size_t points = 0;
  std::size_t last = 0;  // where the code point begins that makes room for the "~"
  for (std::size_t i = 0; i < text.size(); ++i) {
    bool const begins = (static_cast<unsigned char>(text[i]) & 0xC0U) != 0x80U;
    if (!begins) continue;
    if (++points == width) last = i;
    if (points > width) return text.substr(0, last) + "~";
  }
  return text + std::string(width - points, ' ');
}

// Of a call's time in milliseconds, over the texts.
template <class Call>
double median_ms(std::vector<std::string> const& lines, Call call) {
  std::vector<double> times;
  for (auto const& line : lines) {
    auto const start = std::chrono::steady_clock::now();
    call(line);
    times.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count());
  }
  std::sort(times.begin(), times.end());
  return times.empty() ? 0 : times[times.size() / 2];
}
