// SPDX-License-Identifier: Apache-2.0
//
// What the templates of yonder/service.hpp call.
#include <algorithm>
#include <stdexcept>
#include <string>
#include <utility>

#include "src/core/requirements.hpp"
#include "src/runtime/call_context.hpp"
#include "src/runtime/needs.hpp"
#include "yonder/batched.hpp"
#include "yonder/detail/service_slot.hpp"
#include "yonder/error.hpp"

namespace yonder::detail {

service_slot* current_service() noexcept {
  auto const* const call = runtime_detail::current_call();
  return call != nullptr ? call->service() : nullptr;
}

std::string encode_terms(service_terms const& terms) {
  auto const& settings = terms.settings;
  core::requirements needs{.min_workers = settings.min,
                           .max_workers = settings.max.value_or(0),
                           .spare = settings.buffer,
                           .max_queue = settings.max_queue.value_or(0),
                           .park_window = std::max<core::duration>(settings.park_window.count(), 0),
                           .resources = runtime_detail::resource_needs_of(settings),
                           .service = std::string(terms.name),
                           .service_signature = terms.signature,
                           .concurrency = terms.concurrency,
                           .enter_timeout = settings.enter_timeout.count(),
                           .exit_timeout = settings.exit_timeout.count(),
                           .arguments = std::string(terms.arguments)};
  if (settings.scaledown_window) needs.scaledown_window = settings.scaledown_window->count();
  if (auto fault = core::fault_of(needs); !fault.empty())
    throw_error({.code = errc::bad_configuration, .message = std::move(fault), .task = needs.service});
  return core::encode_requirements(needs);
}

void throw_no_instance(std::string_view method) {
  throw_error({.code = errc::unsatisfiable,
               .message = "this is a method of a service, and no worker of that service runs it",
               .task = std::string(method)});
}

void check_batch_size(std::size_t items, std::size_t results) {
  if (items == results) return;
  throw std::logic_error("the batch function returned " + std::to_string(results) + " results for " +
                         std::to_string(items) + " items; it has to return one for each, in order");
}

}  // namespace yonder::detail
