// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/address.hpp"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/un.h>

#include <algorithm>
#include <charconv>
#include <memory>
#include <string_view>
#include <utility>

#include "transports/setup_error.hpp"

namespace yonder::transport {

namespace {

constexpr std::size_t longest_host = 253;  // RFC 1035

// What stands behind a '#' may be a token, and is not quoted; a path may have one in its names.
[[noreturn]] void refuse(std::string const& text, std::string const& why) {
  bool const is_path = text.starts_with(zmq_schemes.ipc) || text.starts_with(socket_schemes.ipc);
  auto const quoted = is_path ? text : text.substr(0, text.find('#'));
  throw setup_error(errc::bad_configuration, "\"" + quoted + "\" " + why);
}

bool is_ipv4(std::string const& host) {
  in_addr number{};
  return ::inet_pton(AF_INET, host.c_str(), &number) == 1;
}

bool is_name(std::string_view host) {
  auto const fits = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
           c == '-' || c == '_';
  };
  return !host.empty() && host.size() <= longest_host && std::all_of(host.begin(), host.end(), fits);
}

std::uint16_t parse_port(std::string const& text, std::string_view digits, address_use use) {
  bool const listens = use == address_use::listen;
  if (digits == "*" && listens) return 0;
  unsigned long port = 0;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (digits.empty() || end != digits.data() + digits.size() || error == std::errc::invalid_argument)
    refuse(text, "has no port: a number behind the last colon" +
                     std::string(listens ? ", or * for one that the system chooses" : ""));
  if (error != std::errc() || port > 65'535 || (port == 0 && !listens))
    refuse(text, "has a port that does not exist: ports are 1 to 65535");
  return static_cast<std::uint16_t>(port);
}

tcp_address parse_tcp(std::string const& text, address_use use, std::string const& scheme) {
  std::string_view const rest = std::string_view(text).substr(scheme.size());
  auto const colon = rest.rfind(':');
  if (colon == std::string_view::npos) refuse(text, "has no port: " + scheme + "HOST:PORT");
  auto host = rest.substr(0, colon);
  bool const bracketed = host.size() > 1 && host.front() == '[' && host.back() == ']';
  if (bracketed) host = host.substr(1, host.size() - 2);
  tcp_address result{std::string(host), parse_port(text, rest.substr(colon + 1), use), true};
  if (bracketed) {
    if (!is_ipv6(result.host)) refuse(text, "has no IPv6 address in its brackets");
  } else if (host.find(':') != std::string_view::npos) {
    refuse(text, "has colons in its host: an IPv6 address stands in brackets, " + scheme + "[::1]:PORT");
  } else if (host == "*") {
    if (use == address_use::connect) refuse(text, "names no machine to connect to");
  } else if (!is_ipv4(result.host)) {
    if (!is_name(host))
      refuse(text, "has no host: a name or an address of a machine, " + scheme + "HOST:PORT");
    result.is_literal = false;
  }
  return result;
}

ipc_address parse_ipc(std::string const& text, std::string const& scheme) {
  std::filesystem::path path(text.substr(scheme.size()));
  if (!path.is_absolute() || !path.has_filename())
    refuse(text, "needs an absolute path: " + scheme + "/FOLDER/NAME");
  if (text.find('\0') != std::string::npos) refuse(text, "has a zero byte in its path");
  if (path.native().size() >= sizeof(sockaddr_un::sun_path))
    refuse(text, "is longer than the " + std::to_string(sizeof(sockaddr_un::sun_path) - 1) +
                     " bytes that the system allows for a socket's path");
  return {std::move(path)};
}

}  // namespace

std::string address_of_device(::ifaddrs const* all, std::string const& name) {
  std::string of_ipv6, of_link;
  for (auto const* one = all; one != nullptr; one = one->ifa_next) {
    if (one->ifa_addr == nullptr || name != one->ifa_name) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (one->ifa_addr->sa_family == AF_INET) {
      auto const* const at = reinterpret_cast<sockaddr_in const*>(one->ifa_addr);
      return ::inet_ntop(AF_INET, &at->sin_addr, text, sizeof text);
    }
    if (one->ifa_addr->sa_family != AF_INET6) continue;
    auto const* const at = reinterpret_cast<sockaddr_in6 const*>(one->ifa_addr);
    bool const is_of_link = IN6_IS_ADDR_LINKLOCAL(&at->sin6_addr);
    auto& found = is_of_link ? of_link : of_ipv6;
    if (!found.empty()) continue;
    found = ::inet_ntop(AF_INET6, &at->sin6_addr, text, sizeof text);
    if (is_of_link) found += "%" + name;
  }
  return of_ipv6.empty() ? of_link : of_ipv6;
}

void resolve_device(tcp_address& where) {
  ifaddrs* all = nullptr;
  if (where.is_literal || ::getifaddrs(&all) != 0) return;
  std::unique_ptr<ifaddrs, decltype(&::freeifaddrs)> const owner(all, &::freeifaddrs);
  auto found = address_of_device(all, where.host);
  if (found.empty()) return;
  where.host = std::move(found);
  where.is_literal = true;
}

bool is_ipv6(std::string const& literal) {
  in6_addr number{};
  return ::inet_pton(AF_INET6, literal.substr(0, literal.find('%')).c_str(), &number) == 1;
}

bool is_of(address_schemes const& schemes, std::string_view text) noexcept {
  return text.starts_with(schemes.tcp) || text.starts_with(schemes.ipc);
}

address parse_address(std::string const& text, address_use use, address_schemes const& schemes) {
  if (text.starts_with(schemes.tcp)) return parse_tcp(text, use, std::string(schemes.tcp));
  if (text.starts_with(schemes.ipc)) return parse_ipc(text, std::string(schemes.ipc));
  if (is_of(socket_schemes, text))
    refuse(text, "is an address of yonder::sockets, which this program must be linked with");
  refuse(text, "is no address: tcp://HOST:PORT or ipc:///FOLDER/NAME");
}

std::string to_string(ipc_address const& from, address_schemes const& schemes) {
  return std::string(schemes.ipc) + from.path.string();
}

std::string to_string(tcp_address const& from, address_schemes const& schemes) {
  bool const brackets = from.host.find(':') != std::string::npos;
  return std::string(schemes.tcp) + (brackets ? "[" + from.host + "]" : from.host) + ":" +
         (from.port == 0 ? "*" : std::to_string(from.port));
}

}  // namespace yonder::transport
