// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cxxabi.h>

#include <cstdlib>
#include <string>
#include <typeinfo>

namespace yonder::detail {

// For messages only: compilers name types differently.
inline std::string demangled(std::type_info const& type) {
  int status = 0;
  char* const readable = abi::__cxa_demangle(type.name(), nullptr, nullptr, &status);
  if (readable == nullptr) return type.name();
  std::string name;
  try {
    name = readable;
  } catch (...) {
    std::free(readable);
    throw;
  }
  std::free(readable);
  return name;
}

}  // namespace yonder::detail
