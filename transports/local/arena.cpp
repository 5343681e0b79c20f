// SPDX-License-Identifier: Apache-2.0
#include "transports/local/arena.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <cstring>
#include <exception>
#include <utility>

#include "src/platform/process.hpp"
#include "src/platform/system_call.hpp"

namespace yonder::transport {

namespace {

constexpr std::size_t most_spares = 64;
constexpr std::size_t most_spare_bytes = arena_size;  // all of them

std::uint32_t pages_of(std::size_t bytes) {
  return static_cast<std::uint32_t>((bytes + arena_page - 1) / arena_page);
}

}  // namespace

// F_SEAL_FUTURE_WRITE would keep others from writing, too, but also the writer from giving pages back.
arena_mapping::arena_mapping(int memory, int protection) {
  void* const at = ::mmap(nullptr, arena_size, protection, MAP_SHARED | MAP_NORESERVE, memory, 0);
  if (at == MAP_FAILED) platform::throw_errno("mmap");
  ::madvise(at, arena_size, MADV_DONTDUMP);
  begin_ = static_cast<std::byte*>(at);
}

arena_mapping::~arena_mapping() { ::munmap(begin_, arena_size); }

// --- writing

bool outgoing_arena::begin() noexcept try {
  if (auto const memory = std::move(unused_)) {
    platform::set_size(memory.get(), arena_size);
    memory_.emplace(memory.get(), PROT_READ | PROT_WRITE);
  }
  return memory_.has_value();
} catch (std::exception const&) {  // for good
  return false;
}

std::optional<block_place> outgoing_arena::lend(std::span<std::byte const> bytes) {
  collect();
  if (broken_ || bytes.size() > arena_size || !begin()) return std::nullopt;
  auto const page = table_.take(pages_of(bytes.size()));
  if (!page) return std::nullopt;
  block_place const lent{*page, static_cast<std::uint32_t>(bytes.size())};
  std::memcpy(memory_->at(lent), bytes.data(), bytes.size());
  return lent;
}

bool outgoing_arena::settle() {
  collect();
  table_.for_each_idle([this](std::uint32_t first, std::uint32_t count) {
    ::madvise(memory_->at({first, 0}), count * arena_page, MADV_REMOVE);
  });
  return table_.blocks() != 0;
}

void outgoing_arena::collect() {
  if (broken_) return;
  broken_ = !returned_.collect(table_.blocks(), [this](std::uint32_t page) { return table_.give(page); });
}

// --- reading

incoming_arena::incoming_arena(platform::unique_fd memory, std::shared_ptr<returned_page> own)
    : unused_(std::move(memory)), memory_(unused_.get(), PROT_READ), own_(std::move(own)), returned_(*own_) {
  spares_.reserve(most_spares);
}

bool incoming_arena::has_blocks() noexcept {
  if (unused_ && platform::has_size(unused_.get(), arena_size)) unused_.reset();
  return !unused_;
}

struct incoming_arena::borrowed {
  borrowed(std::shared_ptr<incoming_arena> from, block_place lent) noexcept
      : arena(std::move(from)), place(lent) {}
  ~borrowed() { arena->give(place); }
  borrowed(borrowed const&) = delete;
  borrowed& operator=(borrowed const&) = delete;

  std::shared_ptr<incoming_arena> arena;
  block_place place;
};

struct incoming_arena::copied {
  explicit copied(std::shared_ptr<incoming_arena> from) noexcept : arena(std::move(from)) {}
  ~copied() { arena->keep(std::move(bytes)); }
  copied(copied const&) = delete;
  copied& operator=(copied const&) = delete;

  std::shared_ptr<incoming_arena> arena;
  detail::byte_buffer bytes;
};

detail::buffer incoming_arena::in_place(block_place lent) {
  return {memory_.at(lent), lent.size, std::make_shared<borrowed>(shared_from_this(), lent)};
}

detail::buffer incoming_arena::copy(block_place lent) {
  auto const owner = std::make_shared<copied>(shared_from_this());
  owner->bytes = take_spare(lent.size);
  owner->bytes.append(memory_.at(lent), lent.size);
  give(lent);
  return {owner->bytes.data(), lent.size, owner};
}

void incoming_arena::give(block_place lent) noexcept {
  if (!mark_.is_ours()) return;
  std::lock_guard const held(mutex_);
  returned_.give(lent.page);
}

detail::byte_buffer incoming_arena::take_spare(std::size_t size) {
  std::lock_guard const held(mutex_);
  keeps_ = true;
  auto const found = std::find_if(spares_.begin(), spares_.end(), [size](auto const& one) {
    return one.capacity() >= size && one.capacity() / 2 <= size;
  });
  if (found == spares_.end()) return {};
  auto taken = std::move(*found);
  spares_.erase(found);
  spare_bytes_ -= taken.capacity();
  taken.clear();
  return taken;
}

// Memory that was written lately costs a fraction of what new pages do.
void incoming_arena::keep(detail::byte_buffer&& spare) noexcept {
  auto const size = spare.capacity();
  if (!mark_.is_ours()) return;
  std::lock_guard const held(mutex_);
  if (!keeps_ || size == 0 || size > most_spare_bytes - spare_bytes_ || spares_.size() == most_spares) return;
  spares_.push_back(std::move(spare));
  spare_bytes_ += size;
}

void incoming_arena::free_spares() noexcept {
  std::lock_guard const held(mutex_);
  spares_.clear();
  spare_bytes_ = 0;
  keeps_ = false;
}

}  // namespace yonder::transport
