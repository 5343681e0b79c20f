// SPDX-License-Identifier: Apache-2.0
#include "src/http/compare/gpu_kernels.hpp"

#include <algorithm>
#include <charconv>
#include <cstddef>
#include <utility>

namespace yonder::http::compare {
namespace {

// The line's cells (RFC 4180): in quotes a quote stands twice.
std::vector<std::string> cells_of(std::string_view line) {
  std::vector<std::string> cells(1);
  bool quoted = false;
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '"') {
      if (quoted && i + 1 < line.size() && line[i + 1] == '"')
        cells.back() += line[++i];
      else
        quoted = !quoted;
    } else if (line[i] == ',' && !quoted) {
      cells.emplace_back();
    } else if (line[i] != '\r') {
      cells.back() += line[i];
    }
  }
  return cells;
}

// "1,000", too.
std::optional<std::uint64_t> number_of(std::string text) {
  std::erase(text, ',');
  std::uint64_t number = 0;
  auto const* const end = text.data() + text.size();
  auto const read = std::from_chars(text.data(), end, number);
  return read.ec == std::errc() && read.ptr == end ? std::optional(number) : std::nullopt;
}

}  // namespace

std::optional<std::vector<gpu_kernel>> parse_kernel_table(std::string_view text) {
  std::vector<gpu_kernel> found;
  std::vector<std::string> columns;
  std::size_t time = 0, launches = 0, name = 0;
  auto const place_of = [&](std::string_view column) {
    return static_cast<std::size_t>(std::find(columns.begin(), columns.end(), column) - columns.begin());
  };
  while (!text.empty()) {
    auto const end = std::min(text.find('\n'), text.size());
    auto cells = cells_of(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (columns.empty()) {
      columns = std::move(cells);
      time = place_of("Total Time (ns)");
      launches = place_of("Instances");
      name = place_of("Name");
      if (std::max({time, launches, name}) >= columns.size()) columns.clear();
      continue;
    }
    if (cells.size() != columns.size()) break;
    auto const took = number_of(cells[time]);
    auto const count = number_of(cells[launches]);
    if (!took || !count) return std::nullopt;
    found.push_back({std::move(cells[name]), *count, static_cast<double>(*took) * 1e-9});
  }
  if (columns.empty()) return std::nullopt;
  std::stable_sort(found.begin(), found.end(),
                   [](auto const& one, auto const& other) { return one.seconds > other.seconds; });
  return found;
}

bool says_no_kernels(std::string_view text) {
  return text.find("does not contain CUDA kernel data") != text.npos;
}

}  // namespace yonder::http::compare
