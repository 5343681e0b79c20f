// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <thread>
#include <utility>

#include "src/platform/unique_fd.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::platform {

// Tells without a system call that nothing has come to a descriptor since it was read empty: the kernel sets
// a word of memory that it shares with this process (io_uring) before the call that writes to the other end
// returns, whichever process makes that. Up: something may have come, and it is to be read.
//
// Threads: one at a time; armed by the thread that made it, alone.
class YONDER_API readable_flag {
 public:
  // Null where the system has none of it (Linux before 6.1), or refuses it, as most containers do. The
  // descriptor is not ours, and outlives this.
  static std::unique_ptr<readable_flag> make(int descriptor) noexcept;
  ~readable_flag();
  readable_flag(readable_flag const&) = delete;
  readable_flag& operator=(readable_flag const&) = delete;

  bool is_up() const noexcept;
  // After it was read: down from now on, unless there is more. On another thread than the one that made it,
  // or where the system refuses: it stays up.
  void lower() noexcept;

 private:
  // What is mapped of the kernel's.
  class mapping {
   public:
    mapping() noexcept = default;
    mapping(int ring, std::size_t size, std::uint64_t offset) noexcept;
    mapping(mapping&& other) noexcept;
    mapping& operator=(mapping&& other) = delete;
    ~mapping();
    explicit operator bool() const noexcept { return at_ != nullptr; }
    std::atomic<std::uint32_t>& word(std::uint32_t offset) const noexcept;
    void* at(std::uint32_t offset) const noexcept { return at_ + offset; }

   private:
    std::byte* at_ = nullptr;
    std::size_t size_ = 0;
  };
  struct offsets {
    std::uint32_t flags, tail, entries, completed, collected;
  };

  readable_flag(int descriptor, unique_fd ring, mapping words, mapping requests,
                offsets const& places) noexcept
      : descriptor_(descriptor),
        ring_(std::move(ring)),
        words_(std::move(words)),
        requests_(std::move(requests)),
        places_(places) {}

  bool has_news() const noexcept;
  bool enter(unsigned requests) noexcept;
  bool arm() noexcept;
  void collect() noexcept;

  int descriptor_;
  unique_fd ring_;
  mapping words_;
  mapping requests_;
  offsets places_;
  bool armed_ = false;  // a request waits in the kernel
  std::thread::id owner_ = std::this_thread::get_id();
};

}  // namespace yonder::platform
