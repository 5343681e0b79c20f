// SPDX-License-Identifier: Apache-2.0
#pragma once

// What yonder/error.hpp declares; see YONDER_FUNCTION.
#include <utility>

#include "yonder/error.hpp"

namespace yonder {
namespace detail {

inline std::string attempt_text(error_details const& details) {
  if (details.attempt == 0) return {};
  auto text = " (attempt " + std::to_string(details.attempt);
  if (!details.worker.empty()) text += " on " + details.worker;
  return text + ")";
}

// "task: code: message (attempt 2 on host:1234)", and what the worker wrote last.
inline std::string in_words(error_details const& details) {
  std::string text;
  if (!details.task.empty()) text += details.task + ": ";
  text += to_string(details.code);
  if (!details.type_name.empty()) text += ": " + details.type_name;
  if (!details.message.empty()) text += ": " + details.message;
  text += attempt_text(details);
  if (!details.stderr_tail.empty()) text += "\nthe worker's stderr ended with:\n" + details.stderr_tail;
  return text;
}

struct sourced_details : error_details {
  error_source source;
};

}  // namespace detail

YONDER_FUNCTION error::error(error_details details, detail::error_source source)
    : std::runtime_error(detail::in_words(details)),
      details_(std::make_shared<detail::sourced_details const>(
          detail::sourced_details{std::move(details), std::move(source)})) {}

YONDER_FUNCTION void error::rethrow() const {
  auto const& source = static_cast<detail::sourced_details const&>(*details_).source;
  if (source.raise != nullptr) source.raise(source.of.get());
  detail::throw_error(*details_);
}

YONDER_FUNCTION error::~error() = default;
YONDER_FUNCTION remote_error::~remote_error() = default;
YONDER_FUNCTION unknown_function::~unknown_function() = default;
YONDER_FUNCTION signature_mismatch::~signature_mismatch() = default;
YONDER_FUNCTION undecodable::~undecodable() = default;
YONDER_FUNCTION too_large::~too_large() = default;
YONDER_FUNCTION worker_lost::~worker_lost() = default;
YONDER_FUNCTION worker_start_failed::~worker_start_failed() = default;
YONDER_FUNCTION hub_unreachable::~hub_unreachable() = default;
YONDER_FUNCTION unauthorized::~unauthorized() = default;
YONDER_FUNCTION disconnected::~disconnected() = default;
YONDER_FUNCTION timed_out::~timed_out() = default;
YONDER_FUNCTION deadline_exceeded::~deadline_exceeded() = default;
YONDER_FUNCTION cancelled::~cancelled() = default;
YONDER_FUNCTION overloaded::~overloaded() = default;
YONDER_FUNCTION unsatisfiable::~unsatisfiable() = default;
YONDER_FUNCTION would_deadlock::~would_deadlock() = default;
YONDER_FUNCTION idempotency_key_reused::~idempotency_key_reused() = default;
YONDER_FUNCTION value_gone::~value_gone() = default;
YONDER_FUNCTION protocol_error::~protocol_error() = default;
YONDER_FUNCTION usage_error::~usage_error() = default;

namespace detail {

YONDER_FUNCTION void throw_error(error_details details) {
  switch (details.code) {
    case errc::failed: throw remote_error(std::move(details));
    case errc::unknown_function: throw unknown_function(std::move(details));
    case errc::signature_mismatch: throw signature_mismatch(std::move(details));
    case errc::undecodable: throw undecodable(std::move(details));
    case errc::too_large: throw too_large(std::move(details));
    case errc::worker_lost: throw worker_lost(std::move(details));
    case errc::worker_start_failed: throw worker_start_failed(std::move(details));
    case errc::hub_unreachable: throw hub_unreachable(std::move(details));
    case errc::argument_gone:
    case errc::disconnected: throw disconnected(std::move(details));
    case errc::timed_out: throw timed_out(std::move(details));
    case errc::deadline_exceeded: throw deadline_exceeded(std::move(details));
    case errc::cancelled: throw cancelled(std::move(details));
    case errc::overloaded: throw overloaded(std::move(details));
    case errc::unsatisfiable: throw unsatisfiable(std::move(details));
    case errc::would_deadlock:
    case errc::nested_too_deep: throw would_deadlock(std::move(details));
    case errc::protocol_mismatch:
    case errc::protocol_violation: throw protocol_error(std::move(details));
    case errc::unauthorized: throw unauthorized(std::move(details));
    case errc::no_runtime:
    case errc::duplicate_task:
    case errc::already_read:
    case errc::bad_configuration: throw usage_error(std::move(details));
    case errc::idempotency_key_reused: throw idempotency_key_reused(std::move(details));
    case errc::value_gone: throw value_gone(std::move(details));
    case errc::unknown_call: break;
  }
  throw error(std::move(details));
}

YONDER_FUNCTION void throw_moved_from(char const* what) {
  throw_error({.code = errc::already_read,
               .message = std::string("this ") + what + " was moved from: use the one that it was moved to"});
}

}  // namespace detail
}  // namespace yonder
