// SPDX-License-Identifier: Apache-2.0
#include "tests/faults/row.hpp"

#include <cmath>
#include <cstdio>

namespace faults {
namespace {

std::string number(double value) {
  char text[40];
  std::snprintf(text, sizeof text, value < 100 ? "%.3g" : "%.0f", value);
  return text;
}

}  // namespace

std::string words_of(nanoseconds time) {
  auto const seconds = std::chrono::duration<double>(time).count();
  return std::abs(seconds) < 1 ? number(seconds * 1e3) + " ms" : number(seconds) + " s";
}

void findings::at_most(std::string const& what, nanoseconds seen, nanoseconds limit, nanoseconds stall) {
  auto text = what + " " + words_of(seen);
  if (stall > 0ns && seen > limit) text += " (of which the machine itself took " + words_of(stall) + ")";
  judge(seen - stall <= limit, text, "at most " + words_of(limit));
}

void findings::at_most(std::string const& what, double seen, double limit, std::string const& unit) {
  judge(seen <= limit, what + " " + number(seen) + unit, "at most " + number(limit) + unit);
}

void findings::equals(std::string const& what, std::uint64_t seen, std::uint64_t wanted) {
  judge(seen == wanted, std::to_string(seen) + " " + what, std::to_string(wanted));
}

void findings::holds(std::string const& otherwise, bool so) {
  if (so == effort_.canary) {
    held_ = false;
    say(otherwise);
  }
}

void findings::say(std::string const& text) {
  if (!text_.empty()) text_ += "; ";
  text_ += text;
}

void findings::judge(bool so, std::string const& text, std::string const& wanted) {
  if (effort_.canary) so = !so;
  held_ = held_ && so;
  say(so ? text : text + " [wanted: " + (effort_.canary ? "what cannot be" : wanted) + "]");
}

nanoseconds sample_of_times::percentile(double percent) {
  if (times_.empty()) return {};
  std::sort(times_.begin(), times_.end());
  auto const last = times_.size() - 1;
  auto const rank = static_cast<std::size_t>(std::ceil(percent / 100 * static_cast<double>(times_.size())));
  return times_[std::min(last, rank == 0 ? 0 : rank - 1)];
}

}  // namespace faults
