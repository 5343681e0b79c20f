// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yonder/codec.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/detail/export.hpp"
#include "yonder/detail/registry.hpp"
#include "yonder/generator.hpp"

// The border between the templates of streams and the compiled runtime.
namespace yonder::detail {

// What a stream of T is among the arguments and results of a task: nothing, but its structure is part of the
// task's.
template <class T>
struct stream_of {
  template <class Archive>
  void serialize(Archive&) {}
};

// How far whoever produces a stream may be ahead of who reads it; 0: the default.
struct stream_window {
  std::uint64_t items = 0;
  std::uint64_t bytes = 0;
};

// Items of a stream that came together, encoded.
class stream_part {
 public:
  struct item {
    std::span<std::byte const> bytes;  // valid as long as the part
    std::span<buffer const> buffers;
  };

  stream_part() = default;
  // `sizes`: of each item, u32, little-endian, at any address; null: it is one. `owner` keeps it all.
  stream_part(std::span<std::byte const> payload, std::byte const* sizes, std::uint32_t count,
              std::span<buffer const> buffers, std::shared_ptr<void const> owner) noexcept;

  bool empty() const noexcept { return left_ == 0; }
  YONDER_API item next() noexcept;

 private:
  std::span<std::byte const> payload_;
  std::byte const* sizes_ = nullptr;
  std::uint32_t left_ = 0;
  std::span<buffer const> buffers_;
  std::shared_ptr<void const> owner_;
};

// Where items come from, encoded one after the other. Code of users: what it throws passes through.
class item_source {
 public:
  virtual ~item_source() = default;
  // Appends the next one to `item`, which is empty. False: there is none.
  virtual bool next(encoded& item) = 0;
};

// A call whose task streams: its items out, its caller's items in, or both. Whoever waits here for an item
// feeds the call meanwhile.
class YONDER_API stream_call {
 public:
  // Nothing is sent before begin(). `arguments`: owned.
  stream_call(engine_ref where, task_entry const& task, options const& settings, std::string_view needs,
              encoded&& arguments, std::unique_ptr<item_source> input = nullptr);
  stream_call(stream_call&&) noexcept;
  stream_call& operator=(stream_call&&) = delete;
  ~stream_call();  // cancels what has not ended

  void set_window(stream_window const& window);
  // Throws usage_error: it was read already, or, as all below but cancel() and id(), moved from.
  void begin();
  // Waits for the next items. False: there are no more; throws what ended the call.
  bool next(stream_part& part);
  // An item of it that does not decode: throws undecodable.
  [[noreturn]] void throw_undecodable(codec_error const& fault, std::uint64_t item) const;
  // Waits for the end, feeding the call; nothing is read.
  call_ref run();

  void cancel() noexcept;
  [[nodiscard]] id_pair id() const;
  [[nodiscard]] decode_limits limits() const;

 private:
  struct parts;
  parts& its() const;  // throws usage_error where it was moved from

  std::unique_ptr<parts> parts_;
};

// What the attempt that this thread runs streams.
class YONDER_API task_streams {
 public:
  // Whether somebody reads what it produces, and how many items of it he has already.
  [[nodiscard]] virtual bool is_read() const noexcept = 0;
  [[nodiscard]] virtual std::uint64_t skipped() const noexcept = 0;
  // Waits until the first item is wanted. False, here and below: nobody wants any more.
  [[nodiscard]] virtual bool start() = 0;
  [[nodiscard]] virtual bool is_wanted() const noexcept = 0;
  // Takes the item, whose memory may be used again, and waits until another one is wanted.
  [[nodiscard]] virtual bool yield(encoded& item) = 0;

  // Waits for the next items of its input. False: there are no more. Throws cancelled.
  virtual bool next_input(stream_part& part) = 0;
  [[nodiscard]] virtual decode_limits limits() const noexcept = 0;

 protected:
  ~task_streams() = default;
};
// Null outside of a worker's task.
YONDER_API task_streams* current_streams() noexcept;

// There is nobody who could take the items.
[[noreturn]] YONDER_API void throw_no_reader();

// Runs a generator to its end on a worker.
template <class Items>
void produce(Items&& items) {
  auto* const reader = current_streams();
  if (reader == nullptr || !reader->is_read()) throw_no_reader();
  if (!reader->start()) return;
  auto to_skip = reader->skipped();
  encoded item;
  auto const end = items.end();
  for (auto next = items.begin(); next != end; ++next) {
    if (to_skip != 0) {
      --to_skip;
      if (!reader->is_wanted()) return;
      continue;
    }
    item.head.clear();
    item.buffers.clear();
    encode_owned(item, *next);
    if (!reader->yield(item)) return;
  }
}

}  // namespace yonder::detail

template <class T>
struct yonder::schema<yonder::detail::stream_of<T>> {
  static constexpr std::string_view name = "stream";
  using parts = std::tuple<T>;
};
