// SPDX-License-Identifier: Apache-2.0
#include "src/platform/readable_flag.hpp"

#include <poll.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <new>
#include <utility>

#include "src/platform/descriptors.hpp"

#if defined(SYS_io_uring_setup) && __has_include(<linux/io_uring.h>)
#include <linux/io_uring.h>
#define YONDER_HAS_IO_URING 1
// Of newer headers than may be here.
#ifndef IORING_SETUP_SINGLE_ISSUER
#define IORING_SETUP_SINGLE_ISSUER (1U << 12)
#endif
#ifndef IORING_SETUP_TASKRUN_FLAG
#define IORING_SETUP_TASKRUN_FLAG (1U << 9)
#endif
#ifndef IORING_SETUP_DEFER_TASKRUN
#define IORING_SETUP_DEFER_TASKRUN (1U << 13)
#endif
#ifndef IORING_SQ_TASKRUN
#define IORING_SQ_TASKRUN (1U << 2)
#endif
#endif

namespace yonder::platform {

readable_flag::mapping::mapping(int ring, std::size_t size, std::uint64_t offset) noexcept : size_(size) {
  void* const at =
      ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, ring, static_cast<off_t>(offset));
  if (at != MAP_FAILED) at_ = static_cast<std::byte*>(at);
}
readable_flag::mapping::mapping(mapping&& other) noexcept
    : at_(std::exchange(other.at_, nullptr)), size_(other.size_) {}
readable_flag::mapping::~mapping() {
  if (at_ != nullptr) ::munmap(at_, size_);
}
std::atomic<std::uint32_t>& readable_flag::mapping::word(std::uint32_t offset) const noexcept {
  return *reinterpret_cast<std::atomic<std::uint32_t>*>(at_ + offset);
}

readable_flag::~readable_flag() = default;

bool readable_flag::is_up() const noexcept { return !armed_ || has_news(); }

#ifdef YONDER_HAS_IO_URING

// The requests wait in the kernel until this thread asks for what has become of them (DEFER_TASKRUN), so that
// none ends a wait of a task's; that there is something to ask for stands in the flags.
std::unique_ptr<readable_flag> readable_flag::make(int descriptor) noexcept {
  io_uring_params about{};
  about.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_TASKRUN_FLAG;
  unique_fd ring(static_cast<int>(::syscall(SYS_io_uring_setup, 1, &about)));
  if (!ring || (about.features & IORING_FEAT_SINGLE_MMAP) == 0) return nullptr;
  ring = above_standard(std::move(ring));
  if (!ring) return nullptr;
  auto const of_requests = about.sq_off.array + about.sq_entries * sizeof(std::uint32_t);
  auto const of_results = about.cq_off.cqes + about.cq_entries * sizeof(io_uring_cqe);
  mapping words(ring.get(), of_requests > of_results ? of_requests : of_results, IORING_OFF_SQ_RING);
  mapping requests(ring.get(), about.sq_entries * sizeof(io_uring_sqe), IORING_OFF_SQES);
  if (!words || !requests) return nullptr;
  offsets const places{about.sq_off.flags, about.sq_off.tail, about.sq_off.array, about.cq_off.tail,
                       about.cq_off.head};
  std::unique_ptr<readable_flag> made(new (std::nothrow) readable_flag(
      descriptor, std::move(ring), std::move(words), std::move(requests), places));
  if (!made) return nullptr;
  return made->arm() ? std::move(made) : nullptr;
}

bool readable_flag::has_news() const noexcept {
  return (words_.word(places_.flags).load(std::memory_order_acquire) & IORING_SQ_TASKRUN) != 0 ||
         words_.word(places_.completed).load(std::memory_order_acquire) !=
             words_.word(places_.collected).load(std::memory_order_relaxed);
}

bool readable_flag::enter(unsigned requests) noexcept {
  auto const done =
      ::syscall(SYS_io_uring_enter, ring_.get(), requests, 0, IORING_ENTER_GETEVENTS, nullptr, 0);
  return done == static_cast<long>(requests);
}

// Whatever it was: each request is for one event.
void readable_flag::collect() noexcept {
  auto const completed = words_.word(places_.completed).load(std::memory_order_acquire);
  auto& collected = words_.word(places_.collected);
  if (completed == collected.load(std::memory_order_relaxed)) return;
  collected.store(completed, std::memory_order_release);
  armed_ = false;
}

// False: the system refuses.
bool readable_flag::arm() noexcept {
  auto& request = *static_cast<io_uring_sqe*>(requests_.at(0));
  std::memset(&request, 0, sizeof request);
  request.opcode = IORING_OP_POLL_ADD;
  request.fd = descriptor_;
  request.poll_events = POLLIN;
  words_.word(places_.entries).store(0, std::memory_order_relaxed);
  auto& tail = words_.word(places_.tail);
  auto const before = tail.load(std::memory_order_relaxed);
  tail.store(before + 1, std::memory_order_release);
  armed_ = enter(1);
  if (!armed_) {
    tail.store(before, std::memory_order_release);
    return false;
  }
  collect();  // there is something already
  return true;
}

void readable_flag::lower() noexcept {
  if (std::this_thread::get_id() != owner_) return;
  if (armed_ && !enter(0)) return;
  collect();
  if (!armed_) arm();
}

#else

std::unique_ptr<readable_flag> readable_flag::make(int) noexcept { return nullptr; }
bool readable_flag::has_news() const noexcept { return true; }
bool readable_flag::enter(unsigned) noexcept { return false; }
bool readable_flag::arm() noexcept { return false; }
void readable_flag::collect() noexcept {}
void readable_flag::lower() noexcept {}

#endif

}  // namespace yonder::platform
