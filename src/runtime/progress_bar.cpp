// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/progress_bar.hpp"

#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string_view>

#include "src/platform/process.hpp"

namespace yonder::detail {
namespace {

using platform::now;

constexpr core::duration least_between = 50 * core::millisecond;  // two that are drawn

std::string number(double value, int digits) {
  char text[32];
  std::snprintf(text, sizeof text, "%.*f", digits, value);
  return text;
}

std::string time_of(double seconds) {
  constexpr double minute = 60, hour = 3600;
  if (seconds < minute) return number(seconds, 0) + " s";
  auto const whole = static_cast<long>(std::min(seconds, 1e9));
  auto const two_digits = [](long value) { return (value < 10 ? "0" : "") + std::to_string(value); };
  if (seconds < hour) return std::to_string(whole / 60) + " min " + two_digits(whole % 60) + " s";
  return std::to_string(whole / 3600) + " h " + two_digits(whole % 3600 / 60) + " min";
}

std::string rate_of(double each_second) {
  if (each_second < 1) return time_of(1 / each_second) + " each";
  return number(each_second, each_second < 100 ? (each_second < 10 ? 2 : 1) : 0) + "/s";
}

std::string drawn(double fraction, std::size_t cells) {
  auto const full = static_cast<std::size_t>(fraction * static_cast<double>(cells));
  return "[" + std::string(full, '#') + std::string(cells - full, '.') + "] ";
}

std::size_t columns_of(int terminal) {
  constexpr std::size_t usual = 80;
  winsize size{};
  return ::ioctl(terminal, TIOCGWINSZ, &size) == 0 && size.ws_col != 0 ? size.ws_col : usual;
}

void write_all(int to, std::string_view text) {
  while (!text.empty()) {
    auto const written = ::write(to, text.data(), text.size());
    if (written <= 0) return;  // a bar that cannot be shown is no error
    text.remove_prefix(static_cast<std::size_t>(written));
  }
}

}  // namespace

std::string bar_line(bar_state const& state, std::size_t width) {
  auto const seconds = static_cast<double>(state.elapsed) / static_cast<double>(core::second);
  auto const done = static_cast<double>(state.done) + state.running;
  auto text = std::to_string(state.done);
  if (state.total) text += "/" + std::to_string(*state.total);
  if (seconds > 0 && state.done != 0) text += "  " + rate_of(static_cast<double>(state.done) / seconds);
  if (!state.total) return (text + "  " + time_of(seconds)).substr(0, width);
  auto const total = static_cast<double>(*state.total);
  auto const fraction = total > 0 ? std::min(done / total, 1.) : 1;
  if (state.over)
    text += "  " + time_of(seconds);
  else if (fraction > 0)
    text += "  " + time_of(seconds * (1 - fraction) / fraction) + " left";
  auto const percent = number(std::floor(fraction * 100), 0);
  auto const head = std::string(3 - std::min<std::size_t>(3, percent.size()), ' ') + percent + "% ";
  constexpr std::size_t most = 30, least = 5, frame = 3;
  auto const taken = head.size() + frame + text.size();
  if (taken + least <= width) text = drawn(fraction, std::min(most, width - taken)) + text;
  return (head + text).substr(0, width);
}

std::shared_ptr<progress_bar> progress_bar::on_terminal(std::size_t const* total) {
  auto const* const kind = std::getenv("TERM");
  if (::isatty(STDERR_FILENO) == 0 || kind == nullptr || std::string_view(kind) == "dumb") return nullptr;
  return std::make_shared<progress_bar>(STDERR_FILENO,
                                        total != nullptr ? std::optional(*total) : std::nullopt);
}

progress_bar::progress_bar(int terminal, std::optional<std::size_t> total)
    : terminal_(terminal), state_{.total = total}, since_(now()) {
  draw(since_, "");
}

progress_bar::~progress_bar() {
  state_.over = true;
  draw(now(), "\n");
}

void progress_bar::add() {
  ++state_.done;
  state_.running = 0;  // that was a part of it; what is left of others is said again
  if (auto const time = now(); time - drawn_ >= least_between) draw(time, "");
}

void progress_bar::show(double running) {
  state_.running = running;
  draw(now(), "");
}

// Over what was there: erases to the end of the line (ECMA-48, EL).
void progress_bar::draw(core::time_point time, char const* end) {
  drawn_ = time;
  state_.elapsed = time - since_;
  write_all(terminal_, "\r" + bar_line(state_, columns_of(terminal_) - 1) + "\x1b[K" + end);
}

}  // namespace yonder::detail
