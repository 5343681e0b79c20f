// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pthread.h>

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
    if (mine.count < mine.room || mine.begins()) [[likely]]
      mine.blocks[mine.count++] = block;
    else
      std::free(block);
  }

 private:
  static constexpr unsigned most = keeps_spare_blocks ? 32 : 0;

  // Of a thread, for as long as it runs any code: it has no destructor. It keeps blocks from the first one
  // that is given, where the system promises to say when the thread ends, until then. (An object with a
  // destructor would say it, too; but where there is no memory to note that it has one, the C library ends
  // the program.)
  struct list {
    unsigned count = 0;
    unsigned room = 0;
    bool asked = false;
    void* blocks[32] = {};

    bool begins() noexcept {
      if (most == 0 || asked) return false;
      static thread_end const end;
      asked = true;
      room = end.known && ::pthread_setspecific(end.key, this) == 0 ? most : 0;
      return room != 0;
    }
    static void release(void* of) {
      auto& self = *static_cast<list*>(of);
      self.room = 0;
      while (self.count != 0) std::free(self.blocks[--self.count]);
    }
  };
  struct thread_end {
    thread_end() noexcept : known(::pthread_key_create(&key, &list::release) == 0) {}
    ~thread_end() {
      if (known) ::pthread_key_delete(key);
    }
    thread_end(thread_end const&) = delete;
    thread_end& operator=(thread_end const&) = delete;
    pthread_key_t key{};
    bool known;
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
