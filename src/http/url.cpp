// SPDX-License-Identifier: Apache-2.0
#include "src/http/url.hpp"

#include <algorithm>

namespace yonder::http {
namespace {

bool is_plain(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return c > ' ' && c < 0x7F; });
}

bool is_host(std::string_view text) {
  return !text.empty() && std::ranges::all_of(text, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' || c == '.';
  });
}

bool is_port(std::string_view text) {
  return !text.empty() && text.size() <= 5 && text.find_first_not_of("0123456789") == text.npos;
}

}  // namespace

std::string url::origin() const { return (tls ? "https://" : "http://") + host + ":" + port; }

std::optional<url> parse_url(std::string_view text) {
  url found;
  found.tls = text.starts_with("https://");
  if (!found.tls && !text.starts_with("http://")) return std::nullopt;
  if (!is_plain(text) || text.find('#') != text.npos) return std::nullopt;
  text.remove_prefix(found.tls ? 8 : 7);
  auto const end = std::min(text.find_first_of("/?"), text.size());
  auto const place = text.substr(0, end);
  auto const colon = place.find(':');
  found.host = place.substr(0, colon);
  found.port = colon == place.npos ? (found.tls ? "443" : "80") : std::string(place.substr(colon + 1));
  if (!is_host(found.host) || !is_port(found.port)) return std::nullopt;
  found.target = text.substr(end);
  if (!found.target.starts_with('/')) found.target.insert(0, "/");
  return found;
}

std::optional<url> resolve(url const& from, std::string_view text) {
  if (!text.starts_with('/') || text.starts_with("//")) return parse_url(text);
  if (!is_plain(text) || text.find('#') != text.npos) return std::nullopt;
  url found = from;
  found.target = text;
  return found;
}

std::string next_of(std::string_view link) {
  for (std::size_t at = 0; (at = link.find('<', at)) != link.npos;) {
    auto const end = link.find('>', at);
    if (end == link.npos) break;
    auto const rest = link.substr(end + 1, std::min(link.find('<', end), link.size()) - end - 1);
    if (rest.find("rel=\"next\"") != rest.npos) return std::string(link.substr(at + 1, end - at - 1));
    at = end;
  }
  return {};
}

std::string escape_path(std::string_view path) {
  constexpr std::string_view digits = "0123456789ABCDEF";
  constexpr std::string_view plain = "-._~/";
  std::string made;
  for (char const c : path) {
    bool const kept = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                      plain.find(c) != plain.npos;
    auto const code = static_cast<unsigned char>(c);
    if (kept)
      made += c;
    else
      made += {'%', digits[code >> 4U], digits[code & 15U]};
  }
  return made;
}

}  // namespace yonder::http
