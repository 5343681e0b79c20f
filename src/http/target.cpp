// SPDX-License-Identifier: Apache-2.0
#include "src/http/target.hpp"

#include <algorithm>
#include <charconv>

#include "src/http/message.hpp"

namespace yonder::http {
namespace {

bool unescape(std::string_view text, std::string& plain) {
  plain.clear();
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      plain += text[i];
      continue;
    }
    unsigned value = 0;
    auto const* const digits = text.data() + i + 1;
    if (i + 2 >= text.size() || std::from_chars(digits, digits + 2, value, 16).ptr != digits + 2 ||
        value == 0)
      return false;
    plain += static_cast<char>(value);
    i += 2;
  }
  return true;
}

// Calls `each` for the parts between separators.
template <class Each>
bool split(std::string_view text, char separator, Each each) {
  for (;;) {
    auto const end = std::min(text.find(separator), text.size());
    if (!each(text.substr(0, end))) return false;
    if (end == text.size()) return true;
    text.remove_prefix(end + 1);
  }
}

}  // namespace

std::optional<std::string_view> parsed_target::parameter(std::string_view name) const {
  for (auto const& [each, value] : query)
    if (each == name) return value;
  return std::nullopt;
}

std::optional<parsed_target> parse_target(std::string_view target, std::string_view host) {
  parsed_target parsed;
  for (std::string_view const scheme : {"http://", "https://"}) {
    if (host.empty() || !is_same_name(target.substr(0, scheme.size()), scheme)) continue;
    target.remove_prefix(scheme.size());
    auto const end = std::min(target.find_first_of("/?"), target.size());
    if (!is_same_name(target.substr(0, end), host)) return std::nullopt;
    target.remove_prefix(end);
    if (target.empty()) target = "/";
    break;
  }
  if (!target.starts_with('/')) return std::nullopt;
  auto const question = std::min(target.find('?'), target.size());
  bool const path_is_good = split(target.substr(1, question - 1), '/', [&](std::string_view part) {
    return unescape(part, parsed.path.emplace_back()) && parsed.path.back() != "." &&
           parsed.path.back() != "..";
  });
  if (!path_is_good) return std::nullopt;
  if (question == target.size()) return parsed;
  bool const query_is_good = split(target.substr(question + 1), '&', [&](std::string_view part) {
    auto const equals = std::min(part.find('='), part.size());
    auto& [name, value] = parsed.query.emplace_back();
    return unescape(part.substr(0, equals), name) &&
           unescape(part.substr(std::min(equals + 1, part.size())), value);
  });
  if (!query_is_good) return std::nullopt;
  return parsed;
}

std::optional<double> parse_seconds(std::string_view text) {
  constexpr double year = 366.0 * 24 * 3600;
  double value = 0;
  auto const [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0 && value <= year))
    return std::nullopt;
  return value;
}

}  // namespace yonder::http
