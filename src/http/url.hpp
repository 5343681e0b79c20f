// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace yonder::http {

// Where something is on the web: http or https only.
struct url {
  bool tls = true;
  std::string host{};
  std::string port{};
  std::string target = "/";  // path and query

  // Scheme, host and port.
  std::string origin() const;
};

// Nothing where it is none, or holds a user or a fragment.
std::optional<url> parse_url(std::string_view text);
// What a Location or a Link names, which may be a path of `from`'s host.
std::optional<url> resolve(url const& from, std::string_view text);
// The address of `rel="next"` in a Link field (RFC 8288); empty where there is none.
std::string next_of(std::string_view link);
// A path with all but letters, digits and -._~/ in percent.
std::string escape_path(std::string_view path);

}  // namespace yonder::http
