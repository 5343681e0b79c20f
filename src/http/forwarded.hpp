// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

// What proxies say of a request that they pass on, in X-Forwarded-For, -Proto and -Host, or in Forwarded (RFC
// 7239), and whose word is taken for it. Without a socket.
namespace yonder::http {

// Without port and zone. IPv4 within IPv6 (::ffff:10.0.0.1) is IPv4.
struct ip_address {
  std::array<std::uint8_t, 16> bytes{};  // of IPv4: the first four
  bool is_v4 = false;

  friend bool operator==(ip_address const&, ip_address const&) = default;
};
// "10.0.0.1", "fe80::1", "fe80::1%eth0".
std::optional<ip_address> parse_ip(std::string_view text);
std::string to_string(ip_address const& address);

// The proxies that are believed.
class proxy_list {
 public:
  proxy_list() = default;
  // Addresses and ranges: "127.0.0.1", "10.0.0.0/8", "fd00::/8". Throws usage_error (bad_configuration) where
  // one is none, has bits behind its prefix, or is everybody ("0.0.0.0/0").
  explicit proxy_list(std::vector<std::string> const& ranges);

  bool contains(ip_address const& address) const noexcept;
  bool empty() const noexcept { return ranges_.empty(); }

 private:
  struct range {
    ip_address first;
    unsigned bits;
  };
  std::vector<range> ranges_;
};

// A request as it was when it reached the first of the proxies that are believed.
struct request_outside {
  // Whoever asked: an address without port, or the word that a proxy has for one it does not name
  // ("unknown").
  std::string client;
  bool is_tls = false;
  std::string host;
  // Why what the proxies said cannot be believed. Empty: it can.
  std::string fault{};
};

using field_list = std::vector<std::pair<std::string_view, std::string_view>>;

// `seen`: the request as it came here, from the address `client`. Unless that is a proxy of `believed`, this
// is what is returned, whatever the fields say. Else addresses are read from the right, as each proxy puts
// the one that it sees behind those that it was told: the first that is no proxy of `believed` is the
// client's, or the leftmost. The scheme and the host are those said by the proxy that saw the client.
request_outside outside_of(field_list const& fields, request_outside seen, proxy_list const& believed);

// What may stand in a Host (RFC 3986, 3.2.2), or nothing.
bool is_host_field(std::string_view text) noexcept;

}  // namespace yonder::http
