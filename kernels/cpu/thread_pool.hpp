// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <new>
#include <type_traits>

namespace yonder::kernels::cpu {

// Threads for the inner loops. A loop is cut into chunks, as many of them in a row to each thread as to the
// others; who is done with his own takes the last of another's. The caller works too, and waits for no thread
// that has not begun, so that neither other processes nor other callers can hold it up for longer than the
// chunks in hand take. Threads that find nothing spin for some microseconds, then sleep.
class thread_pool {
 public:
  // The one of this process. It starts threads when they are first asked for, and keeps them.
  static thread_pool& shared();

  thread_pool();
  ~thread_pool();
  thread_pool(thread_pool const&) = delete;
  thread_pool& operator=(thread_pool const&) = delete;

  // body(index, next) for every index below count (of 2^32 at most), by the caller and at most width - 1
  // others at once; `next` is what the same thread does after it, unless another does it before, and count if
  // that is not known: a hint for prefetching. In no order. Throws what a body threw, once all are done;
  // chunks that had not begun are then left out.
  template <class Body>
  void run(std::size_t count, std::size_t width, Body&& body) {
    using plain = std::remove_reference_t<Body>;
    loop work{[](void* of, std::size_t index, std::size_t next) { (*static_cast<plain*>(of))(index, next); },
              const_cast<void*>(static_cast<void const*>(&body)), count};
    run(work, width);
  }

 private:
  // Chunks that nobody has taken yet: the owner takes the first, others the last.
  class share {
   public:
    void assign(std::size_t begin, std::size_t end) noexcept { range_ = pack(begin, end); }
    bool empty() const noexcept { return is_empty(range_.load(std::memory_order_relaxed)); }
    // The first, or `otherwise`.
    std::size_t first(std::size_t otherwise) const noexcept;
    bool take_first(std::size_t& index) noexcept;
    bool take_last(std::size_t& index) noexcept;

   private:
    static std::uint64_t pack(std::size_t begin, std::size_t end) noexcept { return begin << 32 | end; }
    static std::size_t begin_of(std::uint64_t range) noexcept { return range >> 32; }
    static std::size_t end_of(std::uint64_t range) noexcept { return range & 0xffffffffU; }
    static bool is_empty(std::uint64_t range) noexcept { return begin_of(range) >= end_of(range); }

    alignas(64) std::atomic<std::uint64_t> range_{0};
  };

  static constexpr std::size_t most_shares = 256;  // threads beyond them share one

  // Memory for them, of which only what a loop uses is touched.
  class share_list {
   public:
    share_list() noexcept {}

    void begin(std::size_t count) noexcept {
      for (std::size_t i = 0; i < count; ++i) ::new (bytes_ + i * sizeof(share)) share;
    }
    share& operator[](std::size_t i) noexcept {
      return *std::launder(reinterpret_cast<share*>(bytes_ + i * sizeof(share)));
    }
    share const& operator[](std::size_t i) const noexcept {
      return *std::launder(reinterpret_cast<share const*>(bytes_ + i * sizeof(share)));
    }

   private:
    alignas(share) std::byte bytes_[most_shares * sizeof(share)];
  };

  struct loop {
    void (*call)(void* body, std::size_t index, std::size_t next);
    void* body;
    std::size_t count;
    std::size_t shares = 1;
    std::atomic<std::size_t> helpers{0};  // threads inside, besides the caller's
    std::size_t room = 0;                 // for so many more; guarded by mutex_, as what follows
    loop* older = nullptr;
    std::exception_ptr failure{};
    share_list share_of{};

    void divide(std::size_t threads) noexcept;
    bool take(std::size_t own, std::size_t& index) noexcept;
    bool empty() const noexcept;
  };
  struct threads;

  void run(loop& work, std::size_t width);
  void work_on(loop& work, std::size_t own) noexcept;
  void start(std::size_t helpers);
  void publish(loop& work);
  void finish(loop& work);
  loop* find() const noexcept;
  void serve();
  void wait_for_work(std::unique_lock<std::mutex>& lock);

  std::mutex mutex_;
  std::condition_variable work_came_;
  std::condition_variable helper_left_;
  std::atomic<std::size_t> published_{0};  // loops so far
  std::atomic<std::size_t> started_{0};
  std::size_t asleep_ = 0;
  bool ending_ = false;
  loop* newest_ = nullptr;
  std::unique_ptr<threads> threads_;
};

// The CPUs that this process may run on, or what YONDER_THREADS says. Throws std::invalid_argument where that
// is no number from 1 to 1024.
std::size_t default_threads();

}  // namespace yonder::kernels::cpu
