// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "src/http/compare/order.hpp"

// What was found, for people and for programs.
namespace yonder::http::compare {

std::string table_of(std::span<row const> rows);
std::string json_of(workload const& what, std::span<row const> rows);
// A name and a picture (SVG 1.1), one for each metric that some row has: "p50.svg".
std::vector<std::pair<std::string, std::string>> pictures_of(std::span<row const> rows);
// HTML that shows those.
std::string page_of(workload const& what, std::span<row const> rows);

}  // namespace yonder::http::compare
