// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>
#include <yonder/yonder.hpp>

namespace spelling {

std::vector<std::string> unknown_words(std::string const& text);
inline constexpr yonder::task<unknown_words> unknown_words_task;

}  // namespace spelling
