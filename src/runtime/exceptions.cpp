// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/exceptions.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>

#include "yonder/detail/demangle.hpp"
#include "yonder/exception.hpp"

namespace yonder {
namespace detail {

exception_entry const* first_exception() noexcept;

// std::bad_alloc and its kin have no text of their own to carry.
template <class Type>
struct stateless_exception {
  static bool encode(std::exception const& thrown, encoded& state) {
    if (typeid(thrown) != typeid(Type)) return false;
    detail::encode(state, std::string());
    return true;
  }
  static void raise(std::span<std::byte const>) { throw Type(); }
};

}  // namespace detail

namespace runtime_detail {
namespace {

[[maybe_unused]] exception_registration<std::logic_error> const logic_error;
[[maybe_unused]] exception_registration<std::invalid_argument> const invalid_argument;
[[maybe_unused]] exception_registration<std::domain_error> const domain_error;
[[maybe_unused]] exception_registration<std::length_error> const length_error;
[[maybe_unused]] exception_registration<std::out_of_range> const out_of_range;
[[maybe_unused]] exception_registration<std::runtime_error> const runtime_error;
[[maybe_unused]] exception_registration<std::range_error> const range_error;
[[maybe_unused]] exception_registration<std::overflow_error> const overflow_error;
[[maybe_unused]] exception_registration<std::underflow_error> const underflow_error;

using bad_alloc = detail::stateless_exception<std::bad_alloc>;
constinit detail::exception_entry bad_alloc_entry{"std::bad_alloc", &bad_alloc::encode, &bad_alloc::raise,
                                                  &typeid(std::bad_alloc), false};
detail::registration const bad_alloc_registered{bad_alloc_entry};

// The name of what is being handled, whatever its type.
std::string current_type_name() {
  auto const* const type = abi::__cxa_current_exception_type();
  return type != nullptr ? detail::demangled(*type) : "an unknown exception";
}

// The state of `thrown` if it is of this registered type and can be saved.
std::optional<detail::byte_buffer> state_of(std::exception const& thrown,
                                            detail::exception_entry const& entry) noexcept {
  try {
    detail::encoded state;
    if (entry.encode(thrown, state)) return std::move(state.head);
  } catch (...) {  // a save function of the user's: the exception travels without its state
  }
  return std::nullopt;
}

core::failure describe(std::exception const& thrown, std::size_t most) {
  core::failure failure;
  failure.type_name = detail::demangled(typeid(thrown));
  failure.message = detail::text_of(thrown);
  for (auto const* entry = detail::first_exception(); entry != nullptr; entry = entry->next) {
    auto state = state_of(thrown, *entry);
    if (!state) continue;
    failure.type_name = entry->name;
    if (state->size() <= most) failure.payload = std::move(*state);
    break;
  }
  return failure;
}

}  // namespace

core::failure describe_current_exception(std::size_t most) {
  try {
    throw;
  } catch (std::exception const& thrown) {
    return describe(thrown, most);
  } catch (...) {
    core::failure failure;
    failure.type_name = current_type_name();
    failure.message = "not derived from std::exception";
    return failure;
  }
}

std::string type_name_of(std::type_info const& type) {
  for (auto const* entry = detail::first_exception(); entry != nullptr; entry = entry->next)
    if (*entry->type == type) return std::string(entry->name);
  return detail::demangled(type);
}

error_details details_of(core::failure const& failure) {
  return {.code = failure.code,
          .message = failure.message,
          .task = failure.function,
          .attempt = failure.attempt,
          .worker = failure.worker,
          .type_name = failure.type_name,
          .signal = failure.signal,
          .exit_status = failure.exit_status.value_or(0),
          .stderr_tail = failure.stderr_tail};
}

void raise_registered(core::failure const& failure) {
  if (failure.code != errc::failed || failure.payload.empty()) return;
  for (auto const* entry = detail::first_exception(); entry != nullptr; entry = entry->next)
    if (entry->name == failure.type_name) entry->raise(failure.payload.bytes());  // or no state to make one
}

}  // namespace runtime_detail
}  // namespace yonder
