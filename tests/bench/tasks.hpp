// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <vector>

#include "yonder/yonder.hpp"

namespace bench {

int plus(int a, int b) noexcept;
int twice(int a);
std::string echo(std::string const& text);
std::vector<float> echo_numbers(std::vector<float> const& numbers);
std::vector<float> copy_numbers(std::span<float const> numbers);
int sleep_for(int milliseconds);

inline constexpr yonder::task<plus> plus_task;
inline constexpr yonder::task<twice> twice_task;
inline constexpr yonder::task<echo> echo_task;
inline constexpr yonder::task<echo_numbers> echo_numbers_task;
inline constexpr yonder::task<copy_numbers> copy_numbers_task;
inline constexpr yonder::task<sleep_for> sleep_task;

}  // namespace bench
