// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <typeinfo>

#include "src/core/types.hpp"
#include "yonder/error.hpp"

namespace yonder::runtime_detail {

// Within a catch block of a worker: what was thrown, as it travels. A state of more than `most` bytes stays
// behind.
core::failure describe_current_exception(std::size_t most);

// The name under which exceptions of this type travel.
std::string type_name_of(std::type_info const& type);

error_details details_of(core::failure const& failure);

// On the caller's side: throws the exception that `failure` carries, where its type is registered here.
void raise_registered(core::failure const& failure);

}  // namespace yonder::runtime_detail
