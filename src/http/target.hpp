// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace yonder::http {

// A request's target, taken apart: the segments of its path and its query, without their escapes (RFC 3986).
struct parsed_target {
  std::vector<std::string> path;
  std::vector<std::pair<std::string, std::string>> query;

  std::optional<std::string_view> parameter(std::string_view name) const;
};

// Nothing: it is no absolute path, nor one behind http:// or https:// and `host` (RFC 9112, 3.2.2), has a
// segment "." or "..", or a bad escape.
std::optional<parsed_target> parse_target(std::string_view target, std::string_view host = {});

// A time in seconds, "2.5"; nothing: it is none, or beyond a year.
std::optional<double> parse_seconds(std::string_view text);

}  // namespace yonder::http
