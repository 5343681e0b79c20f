// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <memory>
#include <stdexcept>
#include <string>

#include "yonder/call_id.hpp"
#include "yonder/detail/export.hpp"
#include "yonder/errc.hpp"

namespace yonder {

// Everything that is known about a failed call. Fields that do not apply are empty or zero.
struct error_details {
  errc code = errc::failed;   // why, as a stable number
  std::string message{};      // what happened, in words
  std::string task{};         // the task's name
  std::uint32_t attempt = 0;  // the attempt that failed, from 1; 0: none had started
  std::string worker{};       // where it ran: "host:pid"
  std::string type_name{};    // the type of the exception that the task threw
  int signal = 0;             // the signal that ended the worker
  int exit_status = 0;        // or else the status that it exited with
  std::string stderr_tail{};  // the last lines that the worker wrote to stderr
  call_id call{};             // its id; a durable one that was taken is found by it (yonder/find.hpp)
};

namespace detail {

// What an error was before it became a value: raise(of) throws that, or returns where it cannot be made here.
// Null: nothing else than the error.
struct error_source {
  std::shared_ptr<void const> of{};
  void (*raise)(void const* of) = nullptr;
};

}  // namespace detail

// The base of everything that Yonder throws; what() is one line (more where a worker's stderr is shown).
class YONDER_API error : public std::runtime_error {
 public:
  explicit error(error_details details, detail::error_source source = {});
  error(error const&) noexcept = default;
  error& operator=(error const&) noexcept = default;
  ~error() override;

  // Why the call failed.
  errc code() const noexcept { return details_->code; }
  // What its caller can do about it.
  retry_class retry() const noexcept { return retry_class_of(code()); }
  // All that is known; shared by copies of the error.
  error_details const& details() const noexcept { return *details_; }
  // Throws it as the call would have been thrown: the task's own exception, where its type is registered
  // here, else the class that belongs to code().
  [[noreturn]] void rethrow() const;

 private:
  std::shared_ptr<error_details const> details_;
};

// The task threw an exception whose type is not registered here: its name and text.
class YONDER_API remote_error : public error {
 public:
  using error::error;
  ~remote_error() override;
};

// No worker has a task of this name.
class YONDER_API unknown_function : public error {
 public:
  using error::error;
  ~unknown_function() override;
};
// A worker has a task of this name, with other argument or result structure.
class YONDER_API signature_mismatch : public error {
 public:
  using error::error;
  ~signature_mismatch() override;
};

// Bytes that do not decode to what their structure promises.
class YONDER_API undecodable : public error {
 public:
  using error::error;
  ~undecodable() override;
};
// Arguments or a result past the size limit; the message names the limit and the option that sets it.
class YONDER_API too_large : public error {
 public:
  using error::error;
  ~too_large() override;
};

// The worker ended or fell silent while it ran the call: the task may have run, to any point.
class YONDER_API worker_lost : public error {
 public:
  using error::error;
  ~worker_lost() override;
};

// No worker could be started; details().stderr_tail shows what it said.
class YONDER_API worker_start_failed : public error {
 public:
  using error::error;
  ~worker_start_failed() override;
};

// Nobody answered at the hub's address within runtime_options::connect_timeout.
class YONDER_API hub_unreachable : public error {
 public:
  using error::error;
  ~hub_unreachable() override;
};
// The hub, or this side, does not accept the other one's key.
class YONDER_API unauthorized : public error {
 public:
  using error::error;
  ~unauthorized() override;
};
// The connection to the hub, or the runtime itself, ended before the call did.
class YONDER_API disconnected : public error {
 public:
  using error::error;
  ~disconnected() override;
};

// An attempt outlasted options::timeout.
class YONDER_API timed_out : public error {
 public:
  using error::error;
  ~timed_out() override;
};
// The whole call, waiting included, outlasted options::deadline.
class YONDER_API deadline_exceeded : public error {
 public:
  using error::error;
  ~deadline_exceeded() override;
};

// call::cancel() ended the call, or a map that was left early.
class YONDER_API cancelled : public error {
 public:
  using error::error;
  ~cancelled() override;
};

// Past the credit, or the queue limit, of this caller: try again later.
class YONDER_API overloaded : public error {
 public:
  using error::error;
  ~overloaded() override;
};
// No pool will ever be able to run the call.
class YONDER_API unsatisfiable : public error {
 public:
  using error::error;
  ~unsatisfiable() override;
};

// A task's call of a task: every worker that could run it waits for such calls itself, and no other can be
// started (would_deadlock); or tasks have called tasks too many times over (nested_too_deep).
class YONDER_API would_deadlock : public error {
 public:
  using error::error;
  ~would_deadlock() override;
};

// Another call of the task has this options::idempotency_key, and other arguments: nothing ran.
class YONDER_API idempotency_key_reused : public error {
 public:
  using error::error;
  ~idempotency_key_reused() override;
};

// The process that had a value by reference (yonder::ref) has ended, or has it no more.
class YONDER_API value_gone : public error {
 public:
  using error::error;
  ~value_gone() override;
};

// The other side speaks another protocol version, or breaks the protocol.
class YONDER_API protocol_error : public error {
 public:
  using error::error;
  ~protocol_error() override;
};

// The program or its configuration is wrong: no runtime, two tasks of one name, a bad option, flag or key
// file.
class YONDER_API usage_error : public error {
 public:
  using error::error;
  ~usage_error() override;
};

namespace detail {

// Throws the class that belongs to details.code.
[[noreturn]] YONDER_API void throw_error(error_details details);

// usage_error: `what` ("call", say) was moved from, and has nothing any more.
[[noreturn]] YONDER_API void throw_moved_from(char const* what);

}  // namespace detail
}  // namespace yonder

#ifndef YONDER_LINKS_CORE
#include "yonder/detail/error_definitions.hpp"
#endif
