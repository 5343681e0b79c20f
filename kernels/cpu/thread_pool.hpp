// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <exception>
#include <memory>
#include <mutex>
#include <type_traits>

namespace yonder::kernels::cpu {

// Threads for the inner loops. A loop is cut into chunks that whoever is free takes: the caller works too,
// and waits for no thread that has not begun, so that neither other processes nor other callers can hold it
// up for longer than the chunks in hand take. Threads that find nothing spin for some microseconds, then
// sleep.
class thread_pool {
 public:
  // The one of this process. It starts threads when they are first asked for, and keeps them.
  static thread_pool& shared();

  thread_pool();
  ~thread_pool();
  thread_pool(thread_pool const&) = delete;
  thread_pool& operator=(thread_pool const&) = delete;

  // body(index, next) for every index below count, by the caller and at most width - 1 others at once; `next`
  // is what the same thread does after it, count if nothing: a hint for prefetching. In no order. Throws what
  // a body threw, once all are done; chunks that had not begun are then left out.
  template <class Body>
  void run(std::size_t count, std::size_t width, Body&& body) {
    using plain = std::remove_reference_t<Body>;
    loop work{[](void* of, std::size_t index, std::size_t next) { (*static_cast<plain*>(of))(index, next); },
              const_cast<void*>(static_cast<void const*>(&body)), count};
    run(work, width);
  }

 private:
  struct loop {
    void (*call)(void* body, std::size_t index, std::size_t next);
    void* body;
    std::size_t count;
    std::atomic<std::size_t> claimed{0};
    std::atomic<std::size_t> helpers{0};  // threads inside, besides the caller's
    std::size_t room = 0;                 // for so many more; guarded by mutex_, as what follows
    loop* older = nullptr;
    std::exception_ptr failure{};
  };
  struct threads;

  void run(loop& work, std::size_t width);
  void work_on(loop& work) noexcept;
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
