// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yonder::http {

using labels = std::vector<std::pair<std::string_view, std::string>>;

// Writes the text format of Prometheus, version 0.0.4, which is UTF-8: of labels that are not, as of
// only_utf8(). One label that is not would take all of a scrape.
class prometheus_text {
 public:
  void begin(std::string_view name, std::string_view type, std::string_view help);
  void sample(std::string_view name, labels const& of, std::uint64_t value);
  void sample(std::string_view name, labels const& of, double value);
  // `counts`: of each range that ends at a bound, and of what lies above all.
  void histogram(std::string_view name, labels const& of, std::span<double const> bounds,
                 std::span<std::uint64_t const> counts, double sum);
  std::string finish() && { return std::move(out_); }

 private:
  void series(std::string_view name, std::string_view suffix, labels const& of);

  std::string out_;
};

}  // namespace yonder::http
