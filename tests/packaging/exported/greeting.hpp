// SPDX-License-Identifier: Apache-2.0
#pragma once
#include <string>
#include <yonder/runtime.hpp>

// Greets by name, on a worker of `on`.
std::string greet(yonder::runtime& on, std::string const& name);
