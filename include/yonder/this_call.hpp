// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "yonder/call.hpp"
#include "yonder/detail/export.hpp"

namespace yonder {

namespace detail {
struct served_call;
}  // namespace detail

// The call that a task serves, to be handed to its helper threads. Copies are cheap, and may outlive the
// call: nothing changes any more then. Thread-safe. A default one is of no call. As a std::stop_token:
// yonder/stop_token.hpp.
class YONDER_API call_token {
 public:
  call_token() noexcept = default;
  explicit call_token(std::shared_ptr<detail::served_call const> call) noexcept : call_(std::move(call)) {}

  [[nodiscard]] bool stop_requested() const noexcept;    // as this_call::stop_requested()
  [[nodiscard]] std::uint32_t attempt() const noexcept;  // as this_call::attempt()
  [[nodiscard]] call_id id() const noexcept;             // as this_call::id()

 private:
  friend struct detail::served_call;
  std::shared_ptr<detail::served_call const> call_;
};

// What a task can ask about the call that it serves, on the thread that it was called on. Outside of one: no
// stop, attempt 0, an empty id. Helper threads of the task ask its token().
namespace this_call {

// Whether the caller has cancelled, or the time is up: the task should return soon; what it returns goes
// nowhere.
[[nodiscard]] YONDER_API bool stop_requested() noexcept;

// Which attempt this is, from 1.
[[nodiscard]] YONDER_API std::uint32_t attempt() noexcept;

// The call's id: the same in every attempt.
[[nodiscard]] YONDER_API call_id id() noexcept;

// The trace that this call belongs to, with this call as the parent of what is handed on with it: the field
// traceparent of W3C Trace Context, "00-<trace>-<span>-<flags>". The trace is the one that the caller has set
// (options::traceparent), or that of the call whose task made this one; what begins by itself has its own
// call's id as its trace, and the flags 00; a batch of several belongs to that of its first item. What this
// task calls inherits it. Empty: there is no call.
[[nodiscard]] YONDER_API std::string trace();

// This call, for other threads.
[[nodiscard]] YONDER_API call_token token();

// Tells whoever waits for the call how far it is: `fraction`, from 0 to 1 (others count as the nearest), and
// a text for people, of which 256 bytes are kept. It reaches call::progress(), call::on_progress() and the
// HTTP gateway. Cheap enough for every turn of a loop: the latest is sent, a few times a second at most, and
// nothing by a call that ends within some 20 ms. Outside of a call: nothing.
YONDER_API void report_progress(double fraction, std::string_view text = {});

// This worker is to take no more work after this call, whose outcome is sent as always: it ends, and another
// one is started when there is work. For a task that has lost what it cannot get back in this process, a
// GPU's context say.
YONDER_API void retire_worker() noexcept;

}  // namespace this_call
}  // namespace yonder
