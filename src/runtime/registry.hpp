// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string_view>
#include <vector>

#include "src/core/types.hpp"
#include "yonder/detail/registry.hpp"

namespace yonder::runtime_detail {

// Throws usage_error where two tasks, or two exceptions, have one name, and where another compiler would
// spell the name of one otherwise.
void check_registry();

// The same for one task that is to be called, where it or others were loaded since then.
void check_task(detail::task_entry const& task);

// The task of this name, or null.
detail::task_entry const* find_task(std::string_view name) noexcept;

// One whose arguments and result have this structure; null: there is none.
detail::task_entry const* find_task(std::uint64_t signature);

// What this program offers. Runs every task's structure once; a task that has none is refused to whoever
// calls it, as one of another structure.
std::vector<core::function_info> offered_functions();

// An address in each executable and shared library that has some; in no order.
std::vector<void const*> images_of_tasks();

}  // namespace yonder::runtime_detail
