// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/printed_text.hpp"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "src/core/link.hpp"
#include "src/core/metadata.hpp"

namespace yonder::runtime_detail {
namespace {

constexpr int relay_patience_ms = 100;  // with who reads the relay, once, until he has read again

// The largest beginning within `most` bytes that ends with a line, or else not within a character of UTF-8.
std::string_view whole_beginning(std::string_view text, std::size_t most) {
  if (text.size() <= most) return text;
  auto const line = text.rfind('\n', most - 1);
  if (line != std::string_view::npos && line >= most / 2) return text.substr(0, line + 1);
  auto size = most;
  while (size > most - 4 && (static_cast<unsigned char>(text[size]) & 0xc0U) == 0x80U) --size;
  return text.substr(0, size);
}

}  // namespace

printed_text::printed_text(platform::unique_fd printed, platform::unique_fd relay, text_in_hand* in_hand)
    : printed_(std::move(printed)),
      relay_(std::move(relay)),
      own_hand_(in_hand == nullptr ? std::make_unique<text_in_hand>() : nullptr),
      in_hand_(in_hand == nullptr ? own_hand_.get() : in_hand) {
  ::fcntl(relay_.get(), F_SETFL, O_NONBLOCK);  // its description is nobody else's
}

bool printed_text::read() {
  if (flag_ && !flag_->is_up()) return false;
  auto& bytes = in_hand_->text;
  fresh_.clear();
  for (int i = 0; i < 32; ++i) {
    auto const count = ::read(printed_.get(), bytes, sizeof bytes);
    if (count < 0 && errno == EINTR) continue;
    if (count == 0) {  // nobody has the other end any more
      flag_.reset();
      printed_.reset();
    }
    if (count <= 0) break;
    std::string_view const text(bytes, static_cast<std::size_t>(count));
    pass_on(text);
    fresh_ += text;
    auto const was_all = text.size() < sizeof bytes;
    std::memset(bytes, 0, text.size());
    if (was_all) break;
  }
  if (!fresh_.empty())
    quiet_ = 0;
  else if (++quiet_ >= quiet_reads)
    note_silence();
  return !fresh_.empty();
}

// The flag is the thread's that serves.
void printed_text::note_silence() noexcept {
  if (std::this_thread::get_id() != owner_ || !printed_) return;
  quiet_ = 0;
  if (flag_)
    flag_->lower();
  else if (!std::exchange(has_asked_, true))
    flag_ = platform::readable_flag::make(printed_.get());
}

// Who does not read is waited for once, and not again before he has read.
void printed_text::pass_on(std::string_view text) noexcept {
  while (!text.empty()) {
    auto const count = ::write(relay_.get(), text.data(), text.size());
    if (count >= 0) {
      relay_is_stuck_ = false;
      text.remove_prefix(static_cast<std::size_t>(count));
    } else if (errno == EAGAIN && (relay_is_stuck_ || !has_room())) {
      relay_is_stuck_ = true;
      return;
    } else if (errno != EAGAIN && errno != EINTR) {
      return;
    }
  }
}

bool printed_text::has_room() const noexcept {
  pollfd room{relay_.get(), POLLOUT, 0};
  return ::poll(&room, 1, relay_patience_ms) == 1;
}

void printed_text::keep(core::time_point now, owner const& by) {
  if (by != by_) forget();
  by_ = by;
  text_ += fresh_;
  fresh_.clear();
  if (text_.size() > most_kept) {
    auto const gone = text_.size() - most_kept;
    text_.erase(0, gone);
    skipped_ += gone;
  }
  if (due_ == core::never) put_off(now);
}

void printed_text::put_off(core::time_point now) noexcept { due_ = core::add(now, told_every); }

void printed_text::earn(core::time_point now) noexcept {
  auto const passed = std::clamp<core::duration>(now - earned_, 0, core::second);
  auto const earned = static_cast<std::size_t>(passed) * most_told / static_cast<std::size_t>(core::second);
  if (earned == 0) return;
  earned_ = now;
  allowance_ = std::min(most_told, allowance_ + earned);
}

std::optional<printed_text::piece> printed_text::next(core::time_point now, bool all) {
  if (text_.empty() && skipped_ == 0) return std::nullopt;
  earn(now);
  if (text_.size() > allowance_) {
    if (!all) return std::nullopt;
    auto const gone = text_.size() - allowance_;
    text_.erase(0, gone);
    skipped_ += gone;
  }
  return piece{whole_beginning(text_, core::max_printed_text), skipped_};
}

void printed_text::told(piece const& said) {
  allowance_ -= std::min(allowance_, said.text.size());
  skipped_ = 0;
  text_.erase(0, said.text.size());
  if (text_.empty()) due_ = core::never;
}

void printed_text::forget() noexcept {
  text_.clear();
  skipped_ = 0;
  due_ = core::never;
}

}  // namespace yonder::runtime_detail
