// SPDX-License-Identifier: Apache-2.0
#include "src/http/session.hpp"

#include <cstdio>
#include <ctime>

namespace yonder::http {
namespace {

// "Sun, 06 Nov 1994 08:49:37 GMT", whatever the program's locale.
std::string_view date() {
  constexpr std::array days{"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr std::array months{"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                              "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  thread_local std::time_t shown = 0;
  thread_local std::array<char, 64> text{};
  timespec now{};
  ::clock_gettime(CLOCK_REALTIME_COARSE, &now);
  if (now.tv_sec != shown) {
    shown = now.tv_sec;
    std::tm at{};
    ::gmtime_r(&shown, &at);
    std::snprintf(text.data(), text.size(), "%s, %02d %s %04d %02d:%02d:%02d GMT",
                  days.at(static_cast<std::size_t>(at.tm_wday)), at.tm_mday,
                  months.at(static_cast<std::size_t>(at.tm_mon)), at.tm_year + 1900, at.tm_hour, at.tm_min,
                  at.tm_sec);
  }
  return text.data();
}

}  // namespace

std::string_view origin_in(std::string_view header) {
  std::string_view found;
  for (std::size_t count = 0; !header.empty();) {
    auto const line = header.substr(0, header.find("\r\n"));
    header.remove_prefix(std::min(line.size() + 2, header.size()));
    auto const colon = line.find(':');
    // What ends within its line may end otherwise in truth.
    if (colon == line.npos || header.empty() || !is_same_name(line.substr(0, colon), "origin")) continue;
    if (++count > 1) return {};
    found = line.substr(colon + 1);
    while (found.starts_with(' ') || found.starts_with('\t')) found.remove_prefix(1);
    while (found.ends_with(' ') || found.ends_with('\t')) found.remove_suffix(1);
  }
  return found;
}

void append_head(std::string& head, response const& answer, head_terms const& how) {
  head.append("HTTP/1.1 ")
      .append(std::to_string(answer.status))
      .append(" ")
      .append(reason_of(answer.status))
      .append("\r\nDate: ")
      .append(date())
      .append("\r\n");
  if (!answer.type.empty()) head.append("Content-Type: ").append(answer.type).append("\r\n");
  head += how.length;
  for (auto const& [name, value] : answer.fields) head.append(name).append(": ").append(value).append("\r\n");
  head += "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";
  if (!how.keeps_alive) head += "Connection: close\r\n";
  if (how.keeps_alive && how.is_old) head += "Connection: keep-alive\r\n";
  head += "\r\n";
}

}  // namespace yonder::http
