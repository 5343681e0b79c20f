// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <variant>

struct ifaddrs;  // of <ifaddrs.h>

#include "yonder/detail/export.hpp"

namespace yonder::transport {

// How addresses of one kind begin: "tcp://HOST:PORT" and "ipc:///FOLDER/NAME", say.
struct address_schemes {
  std::string_view tcp, ipc;
};
inline constexpr address_schemes zmq_schemes{"tcp://", "ipc://"};
inline constexpr address_schemes socket_schemes{"tls://", "unix://"};
YONDER_API bool is_of(address_schemes const& schemes, std::string_view text) noexcept;

// "ipc:///FOLDER/NAME".
struct ipc_address {
  std::filesystem::path path;
};

// "tcp://HOST:PORT", a literal IPv6 address in brackets.
struct tcp_address {
  std::string host;         // without brackets; "*": all of this machine's addresses
  std::uint16_t port = 0;   // 0: one that the system chooses, "*" in text
  bool is_literal = false;  // an IPv4 or IPv6 address rather than a name
};

using address = std::variant<ipc_address, tcp_address>;

enum class address_use : std::uint8_t { listen, connect };

// Throws setup_error (bad_configuration), in words, for whatever cannot be used so.
YONDER_API address parse_address(std::string const& text, address_use use,
                                 address_schemes const& schemes = zmq_schemes);

// To listen at: in place of the name of one of this machine's network devices an address that it has, of IPv4
// if there is one, else of IPv6, and its link's own ("fe80::1%eth0") only if it has no other. Any other host
// stays as it is.
YONDER_API void resolve_device(tcp_address& where);
// That address, among those of getifaddrs(); empty: no device of this name has one.
YONDER_API std::string address_of_device(::ifaddrs const* all, std::string const& name);

YONDER_API std::string to_string(tcp_address const& from, address_schemes const& schemes = zmq_schemes);
YONDER_API std::string to_string(ipc_address const& from, address_schemes const& schemes = zmq_schemes);

// Whether it is of IPv6, not an address of IPv4.
YONDER_API bool is_ipv6(std::string const& literal);

}  // namespace yonder::transport
