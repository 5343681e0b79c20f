// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <cstddef>
#include <cstdint>
#include <iterator>
#include <memory>
#include <optional>
#include <span>
#include <type_traits>
#include <utility>
#include <vector>

#include "yonder/call.hpp"
#include "yonder/detail/call_state.hpp"

namespace yonder {

// What a map does when a call fails.
namespace on_error {

// Throws the first error, after cancelling the rest.
struct stop_t {};
inline constexpr stop_t stop{};  // to be passed to map(…).on_error()

// Yields expected<R, error>, for every element; of for_each: returns what failed.
struct collect_t {};
inline constexpr collect_t collect{};  // to be passed to map(…).on_error(), or to for_each

}  // namespace on_error

// How for_each runs its calls: as a map does that says unordered() and window().
struct for_each_options {
  bool unordered = false;    // the first error that happens throws, instead of the first in the input
  std::size_t window = 256;  // at most so many calls on their way
  bool progress = false;     // shows how far it is: map(…).progress()
};

// What became of an element for which for_each's call failed.
struct failed_element {
  std::size_t index = 0;  // its position in the input, from 0
  error cause;            // what remote() would have thrown
};

namespace detail {

// Whether what it is part of was moved from.
struct moved_mark {
  moved_mark() noexcept = default;
  moved_mark(moved_mark&& other) noexcept : moved(std::exchange(other.moved, true)) {}
  moved_mark& operator=(moved_mark&&) = delete;
  bool moved = false;
};

// How a map runs.
struct map_terms {
  bool ordered = true;
  std::size_t window = 256;
  bool shown = false;  // on a terminal, and at the hub
};

class shown_map;

// The calls of one map that are on their way, at most `window` of them. Cancels them when it is destroyed.
class YONDER_API fan_out {
 public:
  fan_out(bool ordered, std::size_t window) : ordered_(ordered), window_(window == 0 ? 1 : window) {}
  fan_out(fan_out&&) noexcept = default;
  fan_out& operator=(fan_out&&) = delete;
  ~fan_out() { cancel(); }

  // Shows from now on how many of the elements are done: where stderr is a terminal, and at the hub. `total`:
  // of how many; null: that is not known.
  void show(std::size_t const* total);

  bool full() const noexcept { return active_ == window_; }
  bool empty() const noexcept { return active_ == 0; }
  void add(call_ref call);

  struct finished {
    call_ref call;
    std::size_t index;  // of its element in the input
  };
  // Waits for the next call in order, or for any. Not when empty.
  finished next();

  void cancel() noexcept;

 private:
  struct slot {
    call_ref call;
    std::size_t index = 0;
  };
  void grow();
  std::size_t first_done();
  void wait_for(std::span<call_state* const> calls);
  void show_running(call_state const& call);
  template <class Wanted>
  std::optional<std::size_t> find(Wanted wanted) const;

  bool ordered_;
  std::size_t window_;
  std::size_t added_ = 0;
  std::size_t active_ = 0;
  std::int64_t last_ = 0;    // when a call was last made or waited for, in nanoseconds
  bool slow_ = false;        // whoever takes the results works on each for a while
  std::size_t cursor_ = 0;   // ordered: the slot of the oldest call; else the one that was taken last
  std::vector<slot> slots_;  // as many as were needed at once; ordered: a ring
  std::shared_ptr<shown_map> shown_;  // null: nothing is shown
};

}  // namespace detail

// The results of a task over a range of arguments: a lazy input range, read once. Elements of the input are
// read as the window of calls on their way moves on; a range that is left early cancels them without waiting.
//
// clang-format off
//   for (Sentiment s : sentiment.map(lines)) …                          // in order; the first error throws
//   for (auto& r : sentiment.map(lines).on_error(on_error::collect)) …  // r: expected<Sentiment, error>
//   for (auto& s : sentiment.map(lines).unordered().window(64)) …       // as they come, at most 64 at once
// clang-format on
template <class Task, class Range, class Errors = on_error::stop_t>
class [[nodiscard]] map_range {
  using source_iterator = decltype(std::begin(std::declval<Range&>()));
  using source_end = decltype(std::end(std::declval<Range&>()));
  using result = typename Task::result;
  static constexpr bool collects = std::is_same_v<Errors, on_error::collect_t>;

 public:
  // What a task without a result yields.
  struct nothing {};
  using value_type = std::conditional_t<collects, expected<result, error>,
                                        std::conditional_t<std::is_void_v<result>, nothing, result>>;

  map_range(Task const& task, Range&& range, detail::map_terms const& terms = {})
      : task_(task), range_(std::forward<Range>(range)), terms_(terms) {}

  // Yields results as they come; iterator::index() says which element each belongs to.
  map_range unordered() && {
    return {task_, std::forward<Range>(range_), {false, terms_.window, terms_.shown}};
  }

  // At most so many calls on their way. Default: 256.
  map_range window(std::size_t calls) && {
    return {task_, std::forward<Range>(range_), {terms_.ordered, calls, terms_.shown}};
  }

  // Shows on stderr, if that is a terminal, a bar with how many results were taken, how many of them come in
  // a second, and the time that is left; of what runs it counts how far tasks say that they are
  // (this_call::report_progress). On a pipe, or in a file: nothing. One that takes longer than a second is
  // listed with the same, and how many have failed, by `yonder ps` and on the gateway's page, too.
  map_range progress() && {
    return {task_, std::forward<Range>(range_), {terms_.ordered, terms_.window, true}};
  }

  // Every element's outcome, as expected<R, error>; the first error no longer ends the map.
  map_range<Task, Range, on_error::collect_t> on_error(on_error::collect_t) && {
    return {task_, std::forward<Range>(range_), terms_};
  }
  // The first error throws, and cancels the rest: the default.
  map_range<Task, Range, on_error::stop_t> on_error(on_error::stop_t) && {
    return {task_, std::forward<Range>(range_), terms_};
  }

  class iterator {
   public:
    using iterator_concept = std::input_iterator_tag;
    using iterator_category = std::input_iterator_tag;
    using value_type = map_range::value_type;
    using difference_type = std::ptrdiff_t;
    using reference = value_type&;
    using pointer = value_type*;

    iterator() = default;
    explicit iterator(map_range* range) : range_(range) {}

    reference operator*() const { return *range_->current_; }
    pointer operator->() const { return &*range_->current_; }
    iterator& operator++() {
      range_->advance();
      return *this;
    }
    void operator++(int) { ++*this; }
    // The position of this result's element in the input, from 0.
    std::size_t index() const { return range_->index_; }
    friend bool operator==(iterator const& i, std::default_sentinel_t) { return i.at_end(); }

   private:
    bool at_end() const { return !range_->current_; }

    map_range* range_ = nullptr;
  };

  // Starts the calls. Once. Throws usage_error where it was moved from.
  iterator begin() {
    check_moved();
    next_.emplace(std::begin(range_));
    calls_.emplace(terms_.ordered, terms_.window);
    if (terms_.shown) show();
    advance();
    return iterator(this);
  }
  std::default_sentinel_t end() const noexcept { return {}; }  // reached once all results were taken

 private:
  void check_moved() const {
    if (mark_.moved) detail::throw_moved_from("map");
  }

  void show() {
    if constexpr (requires(std::remove_reference_t<Range> & all) { std::size(all); }) {
      std::size_t const total = static_cast<std::size_t>(std::size(range_));
      calls_->show(&total);
    } else {
      calls_->show(nullptr);
    }
  }

  void advance() {
    check_moved();
    current_.reset();
    for (; !calls_->full() && *next_ != std::end(range_); ++*next_) {
      if (!where_) where_ = task_.where();
      calls_->add(task_.start(where_, **next_));
    }
    if (calls_->empty()) return;
    auto const finished = calls_->next();
    index_ = finished.index;
    if constexpr (collects)
      current_.emplace(detail::decode_expected<result>(*finished.call));
    else
      take(*finished.call);
  }

  void take(detail::call_state& call) {
    if (detail::failure_of(call) != nullptr) calls_->cancel();
    if constexpr (std::is_void_v<result>) {
      detail::decode_reply<void>(call);
      current_.emplace();
    } else {
      current_.emplace(detail::decode_reply<result>(call));
    }
  }

  Task task_;
  detail::engine_ref where_;  // once there was an element
  Range range_;
  detail::map_terms terms_;
  std::optional<source_iterator> next_;
  std::optional<detail::fan_out> calls_;
  std::optional<value_type> current_;
  std::size_t index_ = 0;
  detail::moved_mark mark_;
};

namespace detail {

// What for_each does: a map to its end.
template <class Task, class Range>
void drain(map_range<Task, Range>&& calls, for_each_options const& how) {
  auto all = how.progress ? std::move(calls).progress() : std::move(calls);
  auto ready = (how.unordered ? std::move(all).unordered() : std::move(all)).window(how.window);
  for ([[maybe_unused]] auto& done : ready) {
  }
}

template <class Task, class Range>
std::vector<failed_element> drain(map_range<Task, Range>&& calls, on_error::collect_t,
                                  for_each_options const& how) {
  std::vector<failed_element> failed;
  auto all = how.progress ? std::move(calls).progress() : std::move(calls);
  auto ready = (how.unordered ? std::move(all).unordered() : std::move(all))
                   .window(how.window)
                   .on_error(on_error::collect);
  for (auto i = ready.begin(); i != ready.end(); ++i)
    if (!*i) failed.push_back({i.index(), i->error()});
  return failed;
}

}  // namespace detail
}  // namespace yonder
