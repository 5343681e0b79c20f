// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <array>
#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <optional>
#include <utility>

namespace yonder::kernels::cuda {

// Which of Count equal places are in use. Thread-safe.
template <std::size_t Count>
class slots {
 public:
  // Frees its slot at its end.
  class held {
   public:
    held(slots& of, std::size_t index) : of_(&of), index_(index) {}
    held(held&& other) noexcept : of_(std::exchange(other.of_, nullptr)), index_(other.index_) {}
    held& operator=(held&&) = delete;
    ~held() {
      if (of_ != nullptr) of_->free(index_);
    }

    std::size_t index() const noexcept { return index_; }

   private:
    slots* of_;
    std::size_t index_;
  };

  // The first that is free; waits for one.
  held take() {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return first_free() != Count; });
    return hold(first_free());
  }
  // This one, once it is free.
  held take(std::size_t index) {
    std::unique_lock lock(mutex_);
    freed_.wait(lock, [&] { return !used_[index]; });
    return hold(index);
  }
  // This one, if it is free.
  std::optional<held> try_take(std::size_t index) {
    std::lock_guard const lock(mutex_);
    if (used_[index]) return std::nullopt;
    return hold(index);
  }

 private:
  std::size_t first_free() const {
    return static_cast<std::size_t>(std::find(used_.begin(), used_.end(), false) - used_.begin());
  }
  held hold(std::size_t index) {
    used_[index] = true;
    return {*this, index};
  }
  void free(std::size_t index) {
    {
      std::lock_guard const lock(mutex_);
      used_[index] = false;
    }
    freed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable freed_;
  std::array<bool, Count> used_{};
};

}  // namespace yonder::kernels::cuda
