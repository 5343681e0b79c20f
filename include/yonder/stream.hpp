// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include "yonder/call.hpp"
#include "yonder/detail/streaming.hpp"
#include "yonder/generator.hpp"

namespace yonder {

// What stream() returns: the items of a task that returns a generator, as they are made on a worker. An input
// range, read once; the call is made when it begins. The task runs ahead of its reader by a window: a slow
// reader stops it. What the task throws after k items is thrown after k items. Leaving early, or destroying
// the range, ends the task without waiting. One that was moved from throws usage_error when it is read.
template <class T>
class [[nodiscard]] stream_range {
 public:
  using value_type = T;

  explicit stream_range(detail::stream_call call) : call_(std::move(call)) {}

  // The task is at most so many items ahead of its reader. Default: 1024, and 4 MiB.
  stream_range window(std::size_t items) && {
    call_.set_window({items, 0});
    return std::move(*this);
  }

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = T&;
    using pointer = T*;

    iterator() = default;
    explicit iterator(stream_range* range) : range_(range) {}

    reference operator*() const { return *range_->current_; }
    pointer operator->() const { return &*range_->current_; }
    iterator& operator++() {
      range_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(iterator const& i, std::default_sentinel_t) { return i.at_end(); }

   private:
    bool at_end() const { return !range_->current_; }

    stream_range* range_ = nullptr;
  };

  // Makes the call, and waits for its first item. Throws usage_error if it was made before.
  iterator begin() {
    call_.begin();
    advance();
    return iterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

  // Ends the task: the reader gets `cancelled`. Any thread, also before it has begun.
  void cancel() noexcept { call_.cancel(); }
  // All zeros before it has begun. Any thread.
  [[nodiscard]] call_id id() const {
    auto const id = call_.id();
    return {id.session, id.number};
  }

 private:
  void advance() {
    auto const limits = call_.limits();
    current_.reset();
    if (part_.empty() && !call_.next(part_)) return;
    auto const item = part_.next();
    try {
      current_.emplace(detail::decode<T>(item.bytes, item.buffers, limits));
    } catch (codec_error const& fault) {
      call_.throw_undecodable(fault, read_);
    }
    ++read_;
  }

  detail::stream_call call_;
  detail::stream_part part_;
  std::optional<T> current_;
  std::uint64_t read_ = 0;
};

namespace detail {

// The items behind an input_stream, wherever they are.
template <class T>
class item_stream {
 public:
  virtual ~item_stream() = default;
  virtual std::optional<T> next() = 0;
};

// Of a range of this process.
template <class T, class Range>
class range_stream final : public item_stream<T> {
 public:
  explicit range_stream(Range&& range) : range_(std::forward<Range>(range)) {}
  std::optional<T> next() override {
    if (!at_)
      at_.emplace(std::begin(range_));
    else if (*at_ != std::end(range_))
      ++*at_;
    if (*at_ == std::end(range_)) return std::nullopt;
    return std::optional<T>(std::in_place, static_cast<T>(**at_));
  }

 private:
  Range range_;  // an lvalue is referred to
  std::optional<decltype(std::begin(std::declval<Range&>()))> at_;
};

// Of the caller of the attempt that a worker runs.
template <class T>
class caller_stream final : public item_stream<T> {
 public:
  explicit caller_stream(task_streams& from) : from_(from) {}
  std::optional<T> next() override {
    if (part_.empty() && !from_.next_input(part_)) return std::nullopt;
    auto const item = part_.next();
    return decode<T>(item.bytes, item.buffers, from_.limits());
  }

 private:
  task_streams& from_;
  stream_part part_;
};

template <class Range, class T>
concept range_of = requires(Range& range) {
  { *std::begin(range) } -> std::convertible_to<T>;
  std::begin(range) != std::end(range);
};

}  // namespace detail

// What a task takes as a parameter, by value, that reads its input item by item: an input range, read once. A
// caller passes any range of T. On a worker the items come as they are read; the caller's thread, which waits
// in remote() or reads the task's stream, iterates over its range meanwhile, never further ahead than a
// window. To be read by the task's own thread. Throws `cancelled` on a worker whose call has ended.
template <class T>
class input_stream {
  static_assert(std::is_object_v<T> && !std::is_const_v<T>, "yonder: an input_stream's items are values");

 public:
  using value_type = T;

  // Of an lvalue, which must outlive the call, or of a range that is moved here.
  template <class Range>
  requires(!std::is_same_v<std::remove_cvref_t<Range>, input_stream> &&
           detail::range_of<std::remove_reference_t<Range>, T>) input_stream(Range&& range)
      : items_(std::make_unique<detail::range_stream<T, Range>>(std::forward<Range>(range))) {}
  // For detail.
  explicit input_stream(std::unique_ptr<detail::item_stream<T>> items) noexcept : items_(std::move(items)) {}

  input_stream(input_stream&&) noexcept = default;
  input_stream& operator=(input_stream&&) noexcept = default;

  // The next item, or nothing at the end.
  std::optional<T> next() {
    current_.reset();
    return items().next();
  }

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = T;
    using difference_type = std::ptrdiff_t;
    using reference = T&;
    using pointer = T*;

    iterator() = default;
    explicit iterator(input_stream* from) : from_(from) {}

    reference operator*() const { return *from_->current_; }
    pointer operator->() const { return &*from_->current_; }
    iterator& operator++() {
      from_->current_ = from_->items().next();
      return *this;
    }
    void operator++(int) { ++*this; }
    friend bool operator==(iterator const& i, std::default_sentinel_t) { return i.at_end(); }

   private:
    bool at_end() const { return !from_->current_; }

    input_stream* from_ = nullptr;
  };

  iterator begin() {
    current_ = items().next();
    return iterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }

 private:
  detail::item_stream<T>& items() const {
    if (!items_) detail::throw_moved_from("input_stream");
    return *items_;
  }

  std::unique_ptr<detail::item_stream<T>> items_;
  std::optional<T> current_;
};

namespace detail {

template <class P>
inline constexpr bool is_input_stream = false;
template <class T>
inline constexpr bool is_input_stream<input_stream<T>> = true;

template <class T>
struct wire_type<input_stream<T>> {
  using type = stream_of<T>;
};

// What feeds a call: nothing where no parameter is a stream.
template <class T>
class encoding_source final : public item_source {
 public:
  explicit encoding_source(input_stream<T>&& from) : from_(std::move(from)) {}
  bool next(encoded& item) override {
    auto value = from_.next();
    if (!value) return false;
    encode_owned(item, std::move(*value));
    return true;
  }

 private:
  input_stream<T> from_;
};

}  // namespace detail
}  // namespace yonder
