// SPDX-License-Identifier: Apache-2.0
//
// Compiled for its compile time only: a unit with one task and one call of it.
#include <yonder/yonder.hpp>

#include "message.hpp"

message classify(message const& value);
inline constexpr yonder::task<classify> classify_task;

message there_and_back(message const& value) { return classify_task.remote(value); }
