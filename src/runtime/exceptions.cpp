// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/exceptions.hpp"

#include <cxxabi.h>

#include <cstdlib>
#include <memory>
#include <new>
#include <stdexcept>
#include <string>
#include <typeinfo>
#include <utility>

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
  [[noreturn]] static void raise(std::span<std::byte const>) { throw Type(); }
};

}  // namespace detail

namespace runtime_detail {
namespace {

[[maybe_unused]] exception<std::logic_error> const logic_error;
[[maybe_unused]] exception<std::invalid_argument> const invalid_argument;
[[maybe_unused]] exception<std::domain_error> const domain_error;
[[maybe_unused]] exception<std::length_error> const length_error;
[[maybe_unused]] exception<std::out_of_range> const out_of_range;
[[maybe_unused]] exception<std::runtime_error> const runtime_error;
[[maybe_unused]] exception<std::range_error> const range_error;
[[maybe_unused]] exception<std::overflow_error> const overflow_error;
[[maybe_unused]] exception<std::underflow_error> const underflow_error;

using bad_alloc = detail::stateless_exception<std::bad_alloc>;
constinit detail::exception_entry bad_alloc_entry{"std::bad_alloc", &bad_alloc::encode, &bad_alloc::raise};
detail::registration const bad_alloc_registered{bad_alloc_entry};

std::string demangled(char const* name) {
  int status = 0;
  std::unique_ptr<char, void (*)(void*)> const text(abi::__cxa_demangle(name, nullptr, nullptr, &status),
                                                    &std::free);
  return status == 0 ? text.get() : name;
}

// The name of what is being handled, whatever its type.
std::string current_type_name() {
  auto const* const type = abi::__cxa_current_exception_type();
  return type != nullptr ? demangled(type->name()) : "an unknown exception";
}

core::failure describe(std::exception const& thrown) {
  core::failure failure;
  failure.message = thrown.what();
  for (auto const* entry = detail::first_exception(); entry != nullptr; entry = entry->next) {
    detail::encoded state;
    if (!entry->encode(thrown, state)) continue;
    failure.type_name = entry->name;
    failure.payload = std::move(state.head);
    return failure;
  }
  failure.type_name = demangled(typeid(thrown).name());
  return failure;
}

}  // namespace

core::failure describe_current_exception() {
  try {
    throw;
  } catch (std::exception const& thrown) {
    return describe(thrown);
  } catch (...) {
    core::failure failure;
    failure.type_name = current_type_name();
    failure.message = "not derived from std::exception";
    return failure;
  }
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

void raise(core::failure const& failure) {
  if (failure.code == errc::failed && !failure.payload.empty()) {
    for (auto const* entry = detail::first_exception(); entry != nullptr; entry = entry->next)
      if (entry->name == failure.type_name) entry->raise(failure.payload.bytes());
  }
  detail::throw_error(details_of(failure));
}

}  // namespace runtime_detail
}  // namespace yonder
