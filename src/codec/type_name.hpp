// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <typeinfo>

namespace yonder::detail {

// For messages only: compilers name types differently.
std::string type_name(std::type_info const& type);

}  // namespace yonder::detail
