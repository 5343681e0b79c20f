// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <functional>
#include <map>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "src/http/url.hpp"

namespace yonder::http {

struct http_answer {
  unsigned status = 0;
  std::map<std::string, std::string> fields{};  // names in lower case

  std::string field(std::string const& name) const;
};

// The server could not be reached, or broke off. What was taken of a body is right as far as it goes.
struct connection_lost : std::runtime_error {
  using std::runtime_error::runtime_error;
};

using http_fields = std::vector<std::pair<std::string, std::string>>;
// Takes a body piece by piece.
using body_sink = std::function<void(std::string_view)>;

// HTTP/1.1, one request on one connection, over TLS with the system's certificates (SSL_CERT_FILE and
// SSL_CERT_DIR are OpenSSL's own). No redirect is followed. `begin` sees the answer before its body and says
// who takes that; where nobody does (an empty body_sink) it is not read. Throws connection_lost, also after
// half a minute of silence, and std::runtime_error where what answers is not trusted, or speaks no TLS or no
// HTTP.
http_answer http_get(url const& from, http_fields const& fields,
                     std::function<body_sink(http_answer const&)> const& begin);

// Likewise, with a body, of whose answer only the status counts. It is given up after so long a silence.
http_answer http_post(url const& to, http_fields const& fields, std::string const& body,
                      std::chrono::milliseconds patience);

}  // namespace yonder::http
