// SPDX-License-Identifier: Apache-2.0
#include "src/http/prometheus.hpp"

#include <array>
#include <charconv>

#include "src/http/message.hpp"

namespace yonder::http {
namespace {

std::string text_of(double value) {
  std::array<char, 40> text{};
  auto const end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  return {text.data(), end};
}

}  // namespace

void prometheus_text::begin(std::string_view name, std::string_view type, std::string_view help) {
  out_.append("# HELP ")
      .append(name)
      .append(" ")
      .append(help)
      .append("\n# TYPE ")
      .append(name)
      .append(" ")
      .append(type) += '\n';
}

void prometheus_text::series(std::string_view name, std::string_view suffix, labels const& of) {
  out_.append(name).append(suffix);
  char separator = '{';
  for (auto const& [label, value] : of) {
    out_ += separator;
    separator = ',';
    out_.append(label).append("=\"");
    for (char const c : only_utf8(value)) {
      if (c == '\\' || c == '"') out_ += '\\';
      if (c == '\n')
        out_ += "\\n";
      else
        out_ += c;
    }
    out_ += '"';
  }
  if (separator == ',') out_ += '}';
  out_ += ' ';
}

void prometheus_text::sample(std::string_view name, labels const& of, std::uint64_t value) {
  series(name, "", of);
  out_ += std::to_string(value) + '\n';
}

void prometheus_text::sample(std::string_view name, labels const& of, double value) {
  series(name, "", of);
  out_ += text_of(value) + '\n';
}

void prometheus_text::histogram(std::string_view name, labels const& of, std::span<double const> bounds,
                                std::span<std::uint64_t const> counts, double sum) {
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    auto bounded = of;
    bounded.emplace_back("le", i < bounds.size() ? text_of(bounds[i]) : "+Inf");
    below += counts[i];
    series(name, "_bucket", bounded);
    out_ += std::to_string(below) + '\n';
  }
  series(name, "_sum", of);
  out_ += text_of(sum) + '\n';
  series(name, "_count", of);
  out_ += std::to_string(below) + '\n';
}

}  // namespace yonder::http
