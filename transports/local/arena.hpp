// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "src/platform/fork.hpp"
#include "src/platform/unique_fd.hpp"
#include "transports/local/block_table.hpp"
#include "transports/local/returned_blocks.hpp"
#include "yonder/detail/byte_buffer.hpp"

// Large blocks in memory that one process writes and another one reads. Which pages are taken only the writer
// knows: the memory holds nothing but the blocks.
namespace yonder::transport {

inline constexpr std::size_t arena_page = 4096;
inline constexpr std::size_t arena_size = std::size_t{64} << 20;  // of addresses: pages come with blocks
inline constexpr std::size_t least_block = std::size_t{32} << 10;

// Where a block lies. As a number: the highest bit, which no block's size has, then the page, then the bytes.
struct block_place {
  std::uint32_t page = 0;
  std::uint32_t size = 0;  // bytes

  static constexpr std::uint64_t mark = std::uint64_t{1} << 63;
  static constexpr bool is_named_by(std::uint64_t number) { return (number & mark) != 0; }
  static constexpr block_place of(std::uint64_t number) {
    return {static_cast<std::uint32_t>((number & ~mark) >> 32), static_cast<std::uint32_t>(number)};
  }
  constexpr std::uint64_t number() const { return mark | std::uint64_t{page} << 32 | size; }
  // Whether all of it is in an arena.
  constexpr bool exists() const {
    return page < arena_size / arena_page && size <= arena_size - page * arena_page;
  }
};

using shared_word = std::atomic<std::uint32_t>;
static_assert(shared_word::is_always_lock_free);
using returned_page = returned_words<shared_word, block_table::most_blocks>;

// A mapping of an arena, which may have no size yet.
class arena_mapping {
 public:
  // `protection`: mmap's. Throws std::system_error.
  arena_mapping(int memory, int protection);
  ~arena_mapping();
  arena_mapping(arena_mapping const&) = delete;
  arena_mapping& operator=(arena_mapping const&) = delete;

  std::byte* at(block_place place) const noexcept { return begin_ + place.page * arena_page; }

 private:
  std::byte* begin_;
};

// Of whoever writes it. One thread at a time.
class outgoing_arena {
 public:
  // An empty memory, which gets its size when it is first used. `returned`, by the other side, outlives this.
  outgoing_arena(platform::unique_fd memory, returned_page const& returned)
      : unused_(std::move(memory)), table_(arena_size / arena_page), returned_(returned) {}

  // A copy of the bytes, which is the other side's until it gives it back. Nothing where there is no room, or
  // the system gives no memory for them (set_size).
  std::optional<block_place> lend(std::span<std::byte const> bytes);
  // It was not sent.
  void take_back(block_place lent) noexcept { table_.give(lent.page); }

  // Takes what came back, and gives pages without a block back to the system. Returns whether any block is
  // still lent.
  bool settle();

  // What the other side has given back was not lent.
  bool is_broken() const noexcept { return broken_; }

 private:
  bool begin() noexcept;
  void collect();

  platform::unique_fd unused_;  // none: it was mapped, or cannot be used
  std::optional<arena_mapping> memory_;
  block_table table_;
  block_collector<shared_word, block_table::most_blocks> returned_;
  bool broken_ = false;
};

// Of whoever reads it. Any thread. A fork may drop the blocks that it has of its parent's: they stay lent to
// that one.
class incoming_arena : public std::enable_shared_from_this<incoming_arena> {
 public:
  // `own`: the words by which this side gives back. Throws std::system_error.
  incoming_arena(platform::unique_fd memory, std::shared_ptr<returned_page> own);

  // Whether it has its size, for ever: not before the other side has used it. To be asked before a block is.
  bool has_blocks() noexcept;

  // The block itself, which goes back with its last owner: for memory that nobody else writes meanwhile.
  detail::buffer in_place(block_place lent);
  // A copy, made once: for memory of whoever may write it at any time. The block goes back.
  detail::buffer copy(block_place lent);

  // Frees what is kept for the next copies; nothing is until there is one.
  void free_spares() noexcept;

 private:
  struct borrowed;
  struct copied;

  void give(block_place lent) noexcept;
  detail::byte_buffer take_spare(std::size_t size);
  void keep(detail::byte_buffer&& spare) noexcept;

  platform::unique_fd unused_;  // none: it has been found to have its size
  arena_mapping memory_;
  platform::process_mark mark_;
  std::shared_ptr<returned_page> own_;
  std::mutex mutex_;
  block_returner<shared_word, block_table::most_blocks> returned_;
  std::vector<detail::byte_buffer> spares_;
  std::size_t spare_bytes_ = 0;
  bool keeps_ = false;
};

}  // namespace yonder::transport
