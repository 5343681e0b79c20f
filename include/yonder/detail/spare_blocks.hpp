// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdlib>
#include <new>

#include "yonder/detail/export.hpp"

namespace yonder::detail {

#if defined(__SANITIZE_ADDRESS__)
inline constexpr bool keeps_spare_blocks = false;  // so that a use after the end is seen
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
inline constexpr bool keeps_spare_blocks = false;
#else
inline constexpr bool keeps_spare_blocks = true;
#endif
#else
inline constexpr bool keeps_spare_blocks = true;
#endif

// Memory of one size that every call needs anew: each thread keeps a few blocks of what it was given back.
template <std::size_t Size>
class YONDER_API spare_blocks {
 public:
  static void* take() {
    auto& mine = of_thread();
    if (mine.count != 0) [[likely]]
      return mine.blocks[--mine.count];
    auto* const fresh = std::malloc(Size);
    if (fresh == nullptr) throw std::bad_alloc();
    return fresh;
  }
  static void give(void* block) noexcept {
    auto& mine = of_thread();
    if (mine.count < mine.room) [[likely]] {
      mine.blocks[mine.count++] = block;
      return;
    }
    thread_local owner const of_blocks(mine);
    static_cast<void>(of_blocks);
    if (mine.count < mine.room)
      mine.blocks[mine.count++] = block;
    else
      std::free(block);
  }

 private:
  static constexpr unsigned most = keeps_spare_blocks ? 32 : 0;

  // Of a thread, for as long as it runs any code: it has no destructor.
  struct list {
    unsigned count = 0;
    unsigned room = 0;
    void* blocks[32] = {};
  };
  // From the first block that is given until the thread's objects end; what ends later keeps none.
  struct owner {
    explicit owner(list& of) noexcept : kept(of) { kept.room = most; }
    ~owner() {
      kept.room = 0;
      while (kept.count != 0) std::free(kept.blocks[--kept.count]);
    }
    owner(owner const&) = delete;
    owner& operator=(owner const&) = delete;
    list& kept;
  };
  static list& of_thread() {
    thread_local constinit list mine;
    return mine;
  }
};

// For one object at a time.
template <class T>
struct spare_allocator {
  using value_type = T;
  static_assert(alignof(T) <= alignof(std::max_align_t));

  spare_allocator() noexcept = default;
  template <class Other>
  spare_allocator(spare_allocator<Other> const&) noexcept {}

  T* allocate(std::size_t) { return static_cast<T*>(spare_blocks<sizeof(T)>::take()); }
  void deallocate(T* gone, std::size_t) noexcept { spare_blocks<sizeof(T)>::give(gone); }
  friend bool operator==(spare_allocator const&, spare_allocator const&) noexcept { return true; }
};

}  // namespace yonder::detail
