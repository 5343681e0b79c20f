// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>

#include "src/core/types.hpp"

namespace yonder::runtime_detail {

// Items of a batch that a worker runs one after the other, without its lock. Two threads: the one that runs
// them, and the one that may close the row meanwhile, holding the lock; what was added can be read by both.
class row {
 public:
  static constexpr std::uint32_t most = 128;                        // items
  static constexpr std::size_t most_bytes = std::size_t{64} << 10;  // of their values
  static constexpr std::size_t most_value = std::size_t{4} << 10;   // of one

  // Under the lock, while nothing runs.
  void open(core::attempt_key const& first, std::uint32_t count) {
    first_ = first;
    is_closed_ = false;
    told_ = 0;
    done_.store(0, std::memory_order_relaxed);
    next_.store(0, std::memory_order_relaxed);
    count_ = count;
    if (!values_) values_.reset(new std::byte[most_bytes]);
  }

  // --- The thread that runs it.

  // Takes the next item, whose place is returned. False: there is none, or the row was closed.
  bool begin(std::uint32_t& place) noexcept {
    if (next_.load(std::memory_order_relaxed) >= count_ || full()) return false;
    place = next_.fetch_add(1, std::memory_order_relaxed);
    return place < count_;
  }
  // The value of the item that was begun. Not if it is larger than most_value.
  void add(std::span<std::byte const> value) noexcept {
    auto const done = done_.load(std::memory_order_relaxed);
    if (!value.empty()) std::memcpy(values_.get() + ends_[done], value.data(), value.size());
    sizes_[done] = static_cast<std::uint32_t>(value.size());
    ends_[done + 1] = ends_[done] + sizes_[done];
    done_.store(done + 1, std::memory_order_release);
  }

  // --- Under the lock.

  // No further item begins. Returns how many were begun. Not if is_closed().
  std::uint32_t close() noexcept {
    is_closed_ = true;
    return begun_ = std::min(next_.exchange(closed, std::memory_order_relaxed), count_);
  }
  // Once it is closed: what began last, or else would have been the first.
  core::attempt_key last_begun() const noexcept { return key_at(begun_ == 0 ? 0 : begun_ - 1); }
  bool is_closed() const noexcept { return is_closed_; }

  // The values that were added and not told yet: the first one's key is first().
  struct ready {
    std::span<std::uint32_t const> sizes;
    std::span<std::byte const> values;
  };
  ready untold() const noexcept {
    auto const done = done_.load(std::memory_order_acquire);
    return {{sizes_.data() + told_, done - told_},
            {values_.get() + ends_[told_], ends_[done] - ends_[told_]}};
  }
  void told(std::size_t count) noexcept { told_ += static_cast<std::uint32_t>(count); }
  core::attempt_key first() const noexcept { return key_at(told_); }
  core::attempt_key key_at(std::uint32_t place) const noexcept {
    auto key = first_;
    key.call.number += place;
    return key;
  }

 private:
  static constexpr std::uint32_t closed = 1U << 30;

  bool full() const noexcept {
    return ends_[done_.load(std::memory_order_relaxed)] > most_bytes - most_value;
  }

  core::attempt_key first_;
  std::uint32_t count_ = 0;
  std::uint32_t told_ = 0;
  std::uint32_t begun_ = 0;  // once it is closed
  bool is_closed_ = true;
  std::atomic<std::uint32_t> next_{0};
  std::atomic<std::uint32_t> done_{0};
  std::array<std::uint32_t, most> sizes_{};
  std::array<std::size_t, most + 1> ends_{};  // where each value ends, and the first one begins
  std::unique_ptr<std::byte[]> values_;
};

}  // namespace yonder::runtime_detail
