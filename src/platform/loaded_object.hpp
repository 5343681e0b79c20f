// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

namespace yonder::platform {

// An executable or a shared library of this process.
struct loaded_object {
  std::string file;      // from which it was loaded; empty: it is not known
  std::string build_id;  // as its linker has written it (NT_GNU_BUILD_ID), its bytes; empty: it has none
};

// The one that holds this address; null: the executable.
loaded_object object_at(void const* address);

}  // namespace yonder::platform
