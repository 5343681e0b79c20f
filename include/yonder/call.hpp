// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"

#include <concepts>
#include <coroutine>
#include <cstdint>
#include <memory>
#include <optional>
#include <tuple>
#include <type_traits>
#include <utility>

#include "yonder/call_id.hpp"
#include "yonder/detail/call_state.hpp"
#include "yonder/detail/durations.hpp"
#include "yonder/expected.hpp"

namespace yonder {

template <class R>
class call;

// How far a task has said that it is (this_call::report_progress).
struct progress_report {
  double fraction = 0;  // from 0 to 1
  std::string text{};   // for people; may be empty
};

namespace detail {

template <class R>
R decode_reply(call_state& call) {
  auto const reply = take_reply(call);
  using returned = std::conditional_t<std::is_void_v<R>, std::tuple<>, R>;
  try {
    return static_cast<R>(decode<returned>(reply.payload, reply.buffers, reply.limits));
  } catch (codec_error const& fault) {
    throw_undecodable(call, fault);
  }
}

template <class R>
expected<R, error> decode_expected(call_state& call) {
  if (failure_of(call) != nullptr) return unexpected<error>(error_of(call));
  try {
    if constexpr (std::is_void_v<R>) {
      decode_reply<void>(call);
      return {};
    } else {
      return decode_reply<R>(call);
    }
  } catch (error const& undecodable) {
    return unexpected<error>(error(undecodable.details()));
  }
}

// What co_await does with a call. It may be destroyed, with its coroutine, while the call goes on.
template <class R>
class call_awaiter {
 public:
  explicit call_awaiter(call_ref call) noexcept : call_(std::move(call)) {}
  call_awaiter(call_awaiter const&) = delete;
  call_awaiter& operator=(call_awaiter const&) = delete;
  ~call_awaiter() {
    if (waiting_) forget_resumption(*call_, &resume, waiting_.address());
  }

  bool await_ready() const noexcept { return is_done(*call_); }
  bool await_suspend(std::coroutine_handle<> waiting) {
    waiting_ = waiting;
    return resume_when_done(*call_, &resume, waiting.address());
  }
  R await_resume() {
    waiting_ = nullptr;
    return decode_reply<R>(*call_);
  }

 private:
  static void resume(void* address) { std::coroutine_handle<>::from_address(address).resume(); }

  call_ref call_;
  std::coroutine_handle<> waiting_;
};

}  // namespace detail

namespace detail {

template <class Told>
class progress_callback final : public progress_listener {
 public:
  explicit progress_callback(Told told) : told_(std::move(told)) {}
  void told(progress_report const& latest) override { told_(latest); }

 private:
  Told told_;
};

struct call_access {
  template <class R>
  static call_ref const& state_of(call<R> const& one) {
    (void)one.state();
    return one.state_;
  }
};

template <class T>
inline constexpr bool is_call = false;
template <class R>
inline constexpr bool is_call<call<R>> = true;

// What a call returns; nothing for others.
template <class T>
struct value_of_call {};
template <class R>
struct value_of_call<call<R>> {
  using type = R;
};

}  // namespace detail

// A call on its way: what spawn() returns. Dropping it does not cancel the call. Thread-safe.
//
// It can be an argument of another call where an R is expected: add.spawn(slow.spawn(1), 2). That one waits
// in the hub until the value is there, which does not come here on its way; a call that is moved in gives its
// value to nobody else. If it fails, so does the other, with its error. One that was moved from is ready, and
// throws usage_error (already_read).
template <class R>
class [[nodiscard]] call {
 public:
  using value_type = R;

  explicit call(detail::call_ref state) noexcept : state_(std::move(state)) {}
  call(call&&) noexcept = default;
  call& operator=(call&&) noexcept = default;

  // Waits, then returns the result or throws what the task threw.  Each time decodes it anew.
  R get() {
    auto& made = state();
    detail::wait(made);
    return detail::decode_reply<R>(made);
  }

  // As get(), but gives up waiting after `time`: then nothing (false for void), and the call goes on.
  template <class Rep, class Period>
  auto get_for(std::chrono::duration<Rep, Period> time) {
    bool const done = detail::wait_until(state(), detail::time_after(time));
    if constexpr (std::is_void_v<R>) {
      if (done) get();
      return done;
    } else {
      return done ? std::optional<R>(get()) : std::nullopt;
    }
  }

  // As get(), with the error as a value.
  expected<R, error> try_get() {
    auto& made = state();
    detail::wait(made);
    return detail::decode_expected<R>(made);
  }

  // Until it has ended; throws nothing of the task's.
  void wait() const { detail::wait(state()); }

  // Whether it has ended: get() would not wait.
  [[nodiscard]] bool ready() const noexcept { return !state_ || detail::is_done(*state_); }

  // Asks for the call to end: queued work never starts, running work is told to stop
  // (this_call::stop_requested) and its worker is ended after a grace period. Unless the call had ended
  // before, get() throws `cancelled`.
  void cancel() noexcept {
    if (state_) detail::cancel(*state_);
  }

  // What its task has said last of how far it is; nothing: it has said nothing.
  [[nodiscard]] std::optional<progress_report> progress() const {
    std::optional<progress_report> latest(std::in_place);
    if (!detail::latest_progress(state(), *latest)) latest.reset();
    return latest;
  }

  // Has `told(progress_report const&)` called by runtime_options::executor when the task has said how far it
  // is: with the latest, one call at a time, the last one perhaps when the call has ended. What it throws
  // costs a line on stderr. Once said it holds; said again, the new one takes its place.
  template <std::invocable<progress_report const&> Told>
  void on_progress(Told told) const {
    detail::listen_to_progress(state(), std::make_shared<detail::progress_callback<Told>>(std::move(told)));
  }

  // By which logs, this_call::id() in the task, and yonder::find name it.
  [[nodiscard]] call_id id() const noexcept {
    if (!state_) return {};
    auto const id = detail::id_of(*state_);
    return {id.session, id.number};
  }

  // As get(), without blocking: the coroutine goes on by runtime_options::executor. It may be destroyed
  // while it waits, as long as the call has not ended; several may wait for one call.
  auto operator co_await() const { return detail::call_awaiter<R>(detail::call_access::state_of(*this)); }

 private:
  friend struct detail::call_access;
  detail::call_state& state() const {
    if (!state_) detail::throw_moved_from("call");
    return *state_;
  }

  detail::call_ref state_;
};

}  // namespace yonder
