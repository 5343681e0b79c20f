// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "yonder/detail/durations.hpp"

namespace yonder {

// How tasks are served over HTTP, by programs that link yonder::http. Only tasks that have a
// yonder::http::endpoint are reachable.
struct http_options {
  // Where: "127.0.0.1:8000", "[::1]:8000", "0.0.0.0:8443"; port 0 is one that the system chooses. Empty:
  // nowhere.
  std::string address{};

  // The file of keys, of which each request has to bring one: docs/http.md. Empty: http_keys in the folder of
  // runtime_options::keys. Where none is, one is made, with one key that may do everything.
  std::string keys{};

  // Whoever reaches the address may do everything. For loopback addresses only.
  bool without_keys = false;

  // TLS: files of a certificate chain and of its private key, as PEM. Both or none.
  std::string certificate{};
  std::string private_key{};  // as PEM; both or none

  // Pages of these origins ("https://example.org") may call, too. Empty: of none.
  std::vector<std::string> origins{};

  // Proxies before this server, as addresses and ranges ("127.0.0.1", "10.0.0.0/8", "fd00::/8"), that are
  // believed in what they say of a request in X-Forwarded-For, -Proto and -Host, or in Forwarded: who sent
  // it, and to which origin. Empty: nobody is. docs/http.md.
  std::vector<std::string> trusted_proxies{};

  std::size_t max_connections = 1024;                  // at once; further ones get 503
  std::size_t max_body_bytes = std::size_t{16} << 20;  // of a request; a larger one is answered by 413

  // For how long a request that states no deadline is held.
  std::chrono::nanoseconds max_wait = std::chrono::seconds(60);

  // How many requests each key may make in a second, with bursts of as many, and each address without one. 0:
  // any number.
  double requests_per_second = 0;
};

}  // namespace yonder
