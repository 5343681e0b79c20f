// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <memory>

namespace yonder::kernels {

// Working memory that threads take in turn, so that it is allocated once. Thread-safe.
template <class Scratch>
class scratch_pool {
 public:
  scratch_pool() = default;
  scratch_pool(scratch_pool const&) = delete;
  scratch_pool& operator=(scratch_pool const&) = delete;
  ~scratch_pool() {
    for (auto& slot : slots_) delete slot.load();
  }

  // Gives it back when it ends. Not longer than the pool.
  class lease {
   public:
    explicit lease(scratch_pool& pool) : pool_(pool), scratch_(pool.take()) {}
    ~lease() { pool_.give_back(std::move(scratch_)); }
    lease(lease const&) = delete;
    lease& operator=(lease const&) = delete;

    Scratch& operator*() const noexcept { return *scratch_; }

   private:
    scratch_pool& pool_;
    std::unique_ptr<Scratch> scratch_;
  };

 private:
  std::unique_ptr<Scratch> take() {
    for (auto& slot : slots_) {
      if (slot.load(std::memory_order_relaxed) == nullptr) continue;
      if (auto* const found = slot.exchange(nullptr, std::memory_order_acquire)) {
        return std::unique_ptr<Scratch>(found);
      }
    }
    return std::make_unique<Scratch>();
  }

  void give_back(std::unique_ptr<Scratch> scratch) noexcept {
    if (scratch->bytes() > max_kept_bytes) return;
    for (auto& slot : slots_) {
      Scratch* expected = nullptr;
      if (slot.load(std::memory_order_relaxed) == nullptr &&
          slot.compare_exchange_strong(expected, scratch.get(), std::memory_order_release)) {
        static_cast<void>(scratch.release());
        return;
      }
    }
  }

  static constexpr std::size_t max_kept_bytes = 4U << 20;  // what one very long text took is given back

  std::array<std::atomic<Scratch*>, 32> slots_{};
};

}  // namespace yonder::kernels
