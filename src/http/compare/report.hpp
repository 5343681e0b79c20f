// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "src/http/compare/gpu_kernels.hpp"
#include "src/http/compare/order.hpp"

// What was found, for people and for programs.
namespace yonder::http::compare {

std::string table_of(std::span<row const> rows, gpu_kernels const& kernels);
std::string json_of(workload const& what, std::span<row const> rows, gpu_kernels const& kernels);
// A name and a picture (SVG 1.1), one for each metric that some row has: "p50.svg".
std::vector<std::pair<std::string, std::string>> pictures_of(std::span<row const> rows);
// HTML that shows those.
std::string page_of(workload const& what, std::span<row const> rows, gpu_kernels const& kernels);

}  // namespace yonder::http::compare
