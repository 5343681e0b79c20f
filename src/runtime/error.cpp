// SPDX-License-Identifier: Apache-2.0
#include "yonder/error.hpp"

#include <utility>

namespace yonder {
namespace {

std::string attempt_text(error_details const& details) {
  if (details.attempt == 0) return {};
  auto text = " (attempt " + std::to_string(details.attempt);
  if (!details.worker.empty()) text += " on " + details.worker;
  return text + ")";
}

// "task: code: message (attempt 2 on host:1234)", and what the worker wrote last.
std::string in_words(error_details const& details) {
  std::string text;
  if (!details.task.empty()) text += details.task + ": ";
  text += to_string(details.code);
  if (!details.type_name.empty()) text += ": " + details.type_name;
  if (!details.message.empty()) text += ": " + details.message;
  text += attempt_text(details);
  if (!details.stderr_tail.empty()) text += "\nthe worker's stderr ended with:\n" + details.stderr_tail;
  return text;
}

}  // namespace

error::error(error_details details)
    : std::runtime_error(in_words(details)),
      details_(std::make_shared<error_details const>(std::move(details))) {}

error::~error() = default;
remote_error::~remote_error() = default;
unknown_function::~unknown_function() = default;
signature_mismatch::~signature_mismatch() = default;
undecodable::~undecodable() = default;
too_large::~too_large() = default;
worker_lost::~worker_lost() = default;
worker_start_failed::~worker_start_failed() = default;
hub_unreachable::~hub_unreachable() = default;
unauthorized::~unauthorized() = default;
disconnected::~disconnected() = default;
timed_out::~timed_out() = default;
deadline_exceeded::~deadline_exceeded() = default;
cancelled::~cancelled() = default;
overloaded::~overloaded() = default;
unsatisfiable::~unsatisfiable() = default;
protocol_error::~protocol_error() = default;
usage_error::~usage_error() = default;

namespace detail {

void throw_error(error_details details) {
  switch (details.code) {
    case errc::failed: throw remote_error(std::move(details));
    case errc::unknown_function: throw unknown_function(std::move(details));
    case errc::signature_mismatch: throw signature_mismatch(std::move(details));
    case errc::undecodable: throw undecodable(std::move(details));
    case errc::too_large: throw too_large(std::move(details));
    case errc::worker_lost: throw worker_lost(std::move(details));
    case errc::worker_start_failed: throw worker_start_failed(std::move(details));
    case errc::hub_unreachable: throw hub_unreachable(std::move(details));
    case errc::disconnected: throw disconnected(std::move(details));
    case errc::timed_out: throw timed_out(std::move(details));
    case errc::deadline_exceeded: throw deadline_exceeded(std::move(details));
    case errc::cancelled: throw cancelled(std::move(details));
    case errc::overloaded: throw overloaded(std::move(details));
    case errc::unsatisfiable: throw unsatisfiable(std::move(details));
    case errc::protocol_mismatch:
    case errc::protocol_violation: throw protocol_error(std::move(details));
    case errc::unauthorized: throw unauthorized(std::move(details));
    case errc::no_runtime:
    case errc::duplicate_task:
    case errc::bad_configuration: throw usage_error(std::move(details));
  }
  throw error(std::move(details));
}

}  // namespace detail
}  // namespace yonder
