// SPDX-License-Identifier: Apache-2.0
#include "src/http/session.hpp"

namespace yonder::http {

void append_head(std::string& head, response const& answer, bool keeps_alive, std::string_view length) {
  head.append("HTTP/1.1 ")
      .append(std::to_string(answer.status))
      .append(" ")
      .append(reason_of(answer.status))
      .append("\r\n");
  if (!answer.type.empty()) head.append("Content-Type: ").append(answer.type).append("\r\n");
  head += length;
  for (auto const& [name, value] : answer.fields) head.append(name).append(": ").append(value).append("\r\n");
  head += "X-Content-Type-Options: nosniff\r\nCache-Control: no-store\r\n";
  head += keeps_alive ? "\r\n" : "Connection: close\r\n\r\n";
}

}  // namespace yonder::http
