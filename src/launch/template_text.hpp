// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yonder::launch {

// A placeholder's name, and what stands for it.
using placeholder = std::pair<std::string_view, std::string>;

// `word` with every {name} replaced; {{ and }} are braces.
std::string filled(std::string_view word, std::span<placeholder const> known);
std::vector<std::string> filled(std::vector<std::string> const& words, std::span<placeholder const> known);

// Whether one of these words has {name}.
bool has_placeholder(std::vector<std::string> const& words, std::string_view name);

// What is wrong with a word whose placeholders may be these; empty: nothing.
std::string fault_of_template(std::string_view word, std::span<std::string_view const> known);

}  // namespace yonder::launch
