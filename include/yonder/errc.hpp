// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string_view>

namespace yonder {

// Why a call ended without its value. The numbers travel and are stable: never renumber, only append.
enum class errc : std::uint16_t {
  failed = 1,               // the task threw
  unknown_function = 2,     // no worker has a task of this name
  signature_mismatch = 3,   // a task of this name, but with other argument or result structure
  undecodable = 4,          // bytes that do not decode to what the structure says
  too_large = 5,            // arguments or a result past the size limit
  worker_lost = 6,          // the worker ended, or fell silent, while it ran the call: the outcome is unknown
  worker_start_failed = 7,  // no worker could be started
  hub_unreachable = 8,      // nobody answers at the hub's address
  disconnected = 9,         // the connection, or this runtime, ended before the call did
  timed_out = 10,           // an attempt outlasted options::timeout
  deadline_exceeded = 11,   // the call outlasted options::deadline
  cancelled = 12,           // call::cancel, or a map that was left early
  overloaded = 13,          // past the credit or the queue limit of the caller
  unsatisfiable = 14,       // no pool can ever run it
  protocol_mismatch = 15,   // the other side speaks no common protocol version
  protocol_violation = 16,  // the other side sent what the protocol does not allow
  unauthorized = 17,        // the key was not accepted
  no_runtime = 18,          // no yonder::runtime stands in this process
  duplicate_task = 19,      // two tasks of one name in one program
  bad_configuration = 20,   // an option, a flag, an environment variable or a key file is wrong
  would_deadlock = 21,      // whoever could run the call waits for calls of its own
  nested_too_deep = 22,     // a task called a task, which called a task, and so on, past the limit
  already_read = 26,        // a stream is read once, and so is a call, or another handle, that was moved
  argument_gone =
      28,             // a call whose value is an argument of this one has ended, and its hub has forgotten it
  unknown_call = 30,  // the hub has no such call of this credential, or has it no longer
  idempotency_key_reused = 31,  // a call of the same task has this key, and other arguments
  value_gone = 33,              // the process that had a value by reference has ended, or has it no more
};

// What a caller can do about it. Source of the four classes: Cap'n Proto's kj::Exception::Type.
enum class retry_class : std::uint8_t {
  failed,         // the same call will fail again
  overloaded,     // try again later
  disconnected,   // try again; the first attempt may have run
  unimplemented,  // this callee cannot; another build might
};

// The class that each code belongs to.
constexpr retry_class retry_class_of(errc code) noexcept {
  switch (code) {
    case errc::worker_lost:
    case errc::worker_start_failed:
    case errc::hub_unreachable:
    case errc::disconnected:
    case errc::timed_out: return retry_class::disconnected;
    case errc::overloaded: return retry_class::overloaded;
    case errc::unknown_function:
    case errc::signature_mismatch:
    case errc::unsatisfiable:
    case errc::protocol_mismatch: return retry_class::unimplemented;
    default: return retry_class::failed;
  }
}

// The code's name, as printed and logged: "worker_lost".
constexpr std::string_view to_string(errc code) noexcept {
  switch (code) {
    case errc::failed: return "failed";
    case errc::unknown_function: return "unknown_function";
    case errc::signature_mismatch: return "signature_mismatch";
    case errc::undecodable: return "undecodable";
    case errc::too_large: return "too_large";
    case errc::worker_lost: return "worker_lost";
    case errc::worker_start_failed: return "worker_start_failed";
    case errc::hub_unreachable: return "hub_unreachable";
    case errc::disconnected: return "disconnected";
    case errc::timed_out: return "timed_out";
    case errc::deadline_exceeded: return "deadline_exceeded";
    case errc::cancelled: return "cancelled";
    case errc::overloaded: return "overloaded";
    case errc::unsatisfiable: return "unsatisfiable";
    case errc::protocol_mismatch: return "protocol_mismatch";
    case errc::protocol_violation: return "protocol_violation";
    case errc::unauthorized: return "unauthorized";
    case errc::no_runtime: return "no_runtime";
    case errc::duplicate_task: return "duplicate_task";
    case errc::bad_configuration: return "bad_configuration";
    case errc::would_deadlock: return "would_deadlock";
    case errc::nested_too_deep: return "nested_too_deep";
    case errc::already_read: return "already_read";
    case errc::argument_gone: return "argument_gone";
    case errc::unknown_call: return "unknown_call";
    case errc::idempotency_key_reused: return "idempotency_key_reused";
    case errc::value_gone: return "value_gone";
  }
  return "unknown";
}

}  // namespace yonder
