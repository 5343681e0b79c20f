// SPDX-License-Identifier: Apache-2.0
#include "transports/local/channel.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "src/platform/process.hpp"
#include "src/platform/system_call.hpp"

#ifndef F_SEAL_FUTURE_WRITE
#define F_SEAL_FUTURE_WRITE 0x0010
#endif

namespace yonder::transport {

namespace {

struct unmap {
  void operator()(channel_page const* page) const noexcept {
    ::munmap(const_cast<channel_page*>(page), sizeof *page);
  }
};
using mapping = std::shared_ptr<channel_page>;

mapping map(int memory, int protection) {
  void* const at = ::mmap(nullptr, sizeof(channel_page), protection, MAP_SHARED, memory, 0);
  if (at == MAP_FAILED) platform::throw_errno("mmap");
  return {static_cast<channel_page*>(at), unmap()};
}

// Ours to write, once.
mapping map_own(int memory) {
  auto page = map(memory, PROT_READ | PROT_WRITE);
  ::fcntl(memory, F_ADD_SEALS, F_SEAL_FUTURE_WRITE);  // Linux before 5.1 has none: then it can be written
  ::fcntl(memory, F_ADD_SEALS, F_SEAL_SEAL);
  return page;
}

std::shared_ptr<channel_page const> map_other(int memory) { return map(memory, PROT_READ); }

void check_memory(int memory) {
  struct stat about {};
  int const seals = ::fcntl(memory, F_GET_SEALS);
  constexpr int needed = F_SEAL_SHRINK | F_SEAL_GROW;
  if (seals < 0 || (seals & needed) != needed || ::fstat(memory, &about) != 0 ||
      about.st_size != sizeof(channel_page))
    throw std::system_error(EINVAL, std::generic_category(), "this is no memory of a channel");
}

// Calls `copy(bytes of the ring, bytes of a part)` for `count` bytes that begin at `position`.
template <class Byte, class Copy>
void for_each_run(Byte* ring, std::uint32_t position, std::size_t count, std::span<iovec const> parts,
                  Copy copy) {
  std::size_t done = 0;
  for (auto const& part : parts) {
    auto* at = static_cast<std::byte*>(part.iov_base);
    auto left = std::min(part.iov_len, count - done);
    while (left != 0) {
      auto const offset = (position + done) % ring_capacity;
      auto const run = std::min<std::size_t>(left, ring_capacity - offset);
      copy(ring + offset, at, run);
      at += run;
      done += run;
      left -= run;
    }
  }
}

platform::unique_fd duplicate(int fd) {
  platform::unique_fd copy(::fcntl(fd, F_DUPFD_CLOEXEC, 3));
  if (!copy) platform::throw_errno("fcntl(F_DUPFD_CLOEXEC)");
  return copy;
}

// Whether each address that is mapped is one less for the program (ulimit -v).
bool addresses_are_limited() noexcept {
  rlimit limit{};
  return ::getrlimit(RLIMIT_AS, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY;
}

std::size_t total(std::span<iovec const> parts) noexcept {
  std::size_t bytes = 0;
  for (auto const& part : parts) bytes += part.iov_len;
  return bytes;
}

}  // namespace

// Wakes by a pipe, and is woken by an eventfd, of which it only waits for edges.
class channel::of_parent final : public channel {
 public:
  of_parent(mapping own, std::shared_ptr<channel_page const> other)
      : channel(std::move(own), std::move(other)) {}
  int bell() const noexcept override { return bell_.descriptor(); }
  void woken() noexcept override {}
  platform::unique_fd wakes_child() const { return duplicate(wakes_.readable().get()); }
  platform::unique_fd wakes_parent() const { return duplicate(bell_.descriptor()); }

 private:
  void wake() noexcept override { wakes_.wake(); }
  detail::buffer take_block(block_place lent) override { return borrows_->copy(lent); }

  platform::event_counter bell_;
  platform::wake_pipe wakes_;
};

class channel::of_child final : public channel {
 public:
  of_child(mapping own, std::shared_ptr<channel_page const> other, platform::unique_fd bell,
           platform::unique_fd wakes)
      : channel(std::move(own), std::move(other)), bell_(std::move(bell)), wakes_(std::move(wakes)) {}
  int bell() const noexcept override { return bell_.get(); }
  void woken() noexcept override { reader_.woken(bell_.get()); }

 private:
  void wake() noexcept override { wakes_.add(); }
  detail::buffer take_block(block_place lent) override { return borrows_->in_place(lent); }

  platform::unique_fd bell_;
  platform::wake_reader reader_;
  platform::event_counter wakes_;
};

channel::~channel() = default;

void channel::add_arenas(platform::unique_fd lends, platform::unique_fd borrows) {
  if (addresses_are_limited())
    throw std::system_error(ENOMEM, std::generic_category(), "RLIMIT_AS (ulimit -v) bounds this process");
  borrows_ = std::make_shared<incoming_arena>(std::move(borrows),
                                              std::shared_ptr<returned_page>(own_, &own_->returned));
  lends_.emplace(std::move(lends), other_->returned);
}

channel::made channel::make() {
  descriptors theirs{
      platform::sealed_memory(sizeof(channel_page)), platform::sealed_memory(sizeof(channel_page)), {}, {}};
  auto ours =
      std::make_unique<of_parent>(map_own(theirs.from_parent.get()), map_other(theirs.to_parent.get()));
  theirs.wakes_child = ours->wakes_child();
  theirs.wakes_parent = ours->wakes_parent();
  try {
    auto down = platform::empty_memory();
    auto up = platform::empty_memory();
    theirs.blocks_from_parent = platform::reopened_for_reading(down.get());
    theirs.blocks_to_parent = duplicate(up.get());
    ours->add_arenas(std::move(down), std::move(up));
  } catch (std::system_error const&) {  // large blocks go by the rings, too
    theirs.blocks_from_parent.reset();
  }
  ours->own_->mark.store(channel_mark, std::memory_order_release);
  return {std::move(ours), std::move(theirs)};
}

std::unique_ptr<channel> channel::join(descriptors inherited) {
  check_memory(inherited.from_parent.get());
  check_memory(inherited.to_parent.get());
  auto other = map_other(inherited.from_parent.get());
  if (other->mark.load(std::memory_order_acquire) != channel_mark)
    throw std::system_error(EINVAL, std::generic_category(), "this memory is of another build");
  for (auto const* const fd : {&inherited.wakes_child, &inherited.wakes_parent, &inherited.blocks_from_parent,
                               &inherited.blocks_to_parent})
    if (*fd && ::fcntl(fd->get(), F_SETFD, FD_CLOEXEC) != 0) platform::throw_errno("fcntl(F_SETFD)");
  auto ours = std::make_unique<of_child>(map_own(inherited.to_parent.get()), std::move(other),
                                         std::move(inherited.wakes_child), std::move(inherited.wakes_parent));
  try {
    if (inherited.blocks_from_parent)
      ours->add_arenas(std::move(inherited.blocks_to_parent), std::move(inherited.blocks_from_parent));
  } catch (std::system_error const&) {  // large blocks go by the rings, too
    ours->own_->refuses_blocks.store(1, std::memory_order_relaxed);
  }
  ours->own_->mark.store(channel_mark, std::memory_order_release);
  return ours;
}

bool channel::has_joined() noexcept {
  joined_ = joined_ || other_->mark.load(std::memory_order_acquire) == channel_mark;
  return joined_;
}

std::size_t channel::write(std::span<iovec const> parts) {
  auto const wanted = static_cast<std::uint32_t>(std::min<std::size_t>(total(parts), ring_capacity));
  auto const count = std::min(wanted, side_.room(wanted));
  if (count == 0) return 0;
  for_each_run(own_->ring, side_.written(), count, parts,
               [](std::byte* ring, std::byte* from, std::size_t run) { std::memcpy(ring, from, run); });
  side_.publish(count);
  return count;
}

std::size_t channel::read(std::span<iovec const> parts) {
  auto const count = std::min<std::size_t>(side_.readable(), total(parts));
  if (count == 0) return 0;
  for_each_run(other_->ring, side_.taken(), count, parts,
               [](std::byte const* ring, std::byte* to, std::size_t run) { std::memcpy(to, ring, run); });
  side_.take(static_cast<std::uint32_t>(count));
  return count;
}

// --- blocks

std::optional<std::uint64_t> channel::lend(std::span<std::byte const> block) {
  if (!lends_ || !has_joined()) return std::nullopt;
  if (other_->refuses_blocks.load(std::memory_order_relaxed) != 0) return std::nullopt;
  used_ = true;
  auto const lent = lends_->lend(block);
  if (!lent) return std::nullopt;
  return lent->number();
}

std::optional<detail::buffer> channel::named_block(std::uint64_t number) {
  auto const lent = block_place::of(number);
  if (!borrows_ || !lent.exists() || !borrows_->has_blocks()) return std::nullopt;
  if (named_.blocks == block_table::most_blocks || lent.size > arena_size - named_.bytes) return std::nullopt;
  used_ = true;
  auto block = take_block(lent);
  ++named_.blocks;
  named_.bytes += lent.size;
  return block;
}

bool channel::settle() {
  if (borrows_) borrows_->free_spares();
  return lends_ && lends_->settle();
}

}  // namespace yonder::transport
