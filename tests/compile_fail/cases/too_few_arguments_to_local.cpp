// SPDX-License-Identifier: Apache-2.0
// expect: task_of_parameters<2>::but_was_passed<1>
#include <string>
#include <yonder/task.hpp>

std::string join(std::string const& a, std::string const& b);
inline constexpr yonder::task<join> joining;

std::string alone() { return joining.local("a").substr(1); }
