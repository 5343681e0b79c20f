// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/stderr_relay.hpp"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "src/platform/process.hpp"

namespace yonder::runtime_detail {
namespace {

constexpr std::size_t most_held = std::size_t{1} << 20;

std::string note(std::size_t dropped) {
  return "yonder: " + std::to_string(dropped) +
         " bytes that workers printed were dropped, because stderr did not take them\n";
}

}  // namespace

stderr_relay::~stderr_relay() { close(); }

void stderr_relay::pass(std::string_view text) {
  hold(text);
  if (watched_) return;
  if (!sink_) sink_.emplace();
  write();
}

void stderr_relay::hold(std::string_view text) {
  auto const taken = text.substr(0, most_held - std::min(most_held, held_.size()));
  held_ += taken;
  dropped_ += text.size() - taken.size();
}

void stderr_relay::write() {
  while (!held_.empty()) {
    auto const count = sink_->write(held_);
    if (count == std::size_t{0}) return watch();
    held_.erase(0, count.value_or(held_.size()));  // nobody reads: gone
    if (!count) dropped_ = 0;
    if (held_.empty() && dropped_ != 0) held_ = note(std::exchange(dropped_, 0));
  }
  close();
}

void stderr_relay::watch() {
  if (watched_ || sink_->readiness() < 0) return;
  poller_.add(sink_->readiness(), *this, 0);
  watched_ = true;
}

void stderr_relay::on_ready(std::uint64_t, bool, bool) { write(); }

void stderr_relay::close() noexcept {
  if (std::exchange(watched_, false)) poller_.remove(sink_->readiness());
  sink_.reset();
}

void stderr_relay::finish(std::int64_t until) {
  while (!held_.empty() && sink_->readiness() >= 0) {
    auto const left = (until - platform::now()) / 1'000'000;
    if (left <= 0) break;
    pollfd room{sink_->readiness(), POLLIN, 0};
    if (::poll(&room, 1, static_cast<int>(left)) > 0) write();
  }
  held_.clear();
  close();
}

}  // namespace yonder::runtime_detail
