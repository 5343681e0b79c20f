// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "src/core/types.hpp"
#include "yonder/detail/registry.hpp"

namespace yonder::runtime_detail {

// Throws usage_error where two tasks of one image have one name, and where another compiler would spell the
// name of a task or an exception otherwise.
void check_registry();

// The task of this name, or null.
detail::task_entry const* find_task(std::string_view name) noexcept;

// What this program offers. Runs every task's structure once.
std::vector<core::function_info> offered_functions();

}  // namespace yonder::runtime_detail
