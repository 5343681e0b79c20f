// SPDX-License-Identifier: Apache-2.0
#include "yonder/version.hpp"

namespace yonder {

version_number library_version() noexcept { return header_version; }

}  // namespace yonder
