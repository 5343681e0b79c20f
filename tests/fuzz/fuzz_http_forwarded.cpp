// SPDX-License-Identifier: Apache-2.0
//
// What is said in the name of a proxy, by whoever can reach it. An input is: which fields (1 byte), and their
// values, a line each. Whatever they are, what is found is well formed; and what stands further left than the
// client, which anybody may have written, changes nothing.
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "src/http/forwarded.hpp"

namespace {

using namespace yonder::http;

void require(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

constexpr std::array<std::string_view, 4> names{"X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
                                                "Forwarded"};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  static proxy_list const believed({"10.0.0.0/8", "fd00::/8"});
  static request_outside const seen{.client = "10.0.0.1", .host = "own"};
  if (size == 0) return 0;
  std::string_view rest(reinterpret_cast<char const*>(data + 1), size - 1);
  field_list fields;
  for (unsigned which = data[0]; fields.size() < 4; which >>= 2U) {
    auto const end = std::min(rest.find('\n'), rest.size());
    fields.emplace_back(names[which % names.size()], rest.substr(0, end));
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  auto const found = outside_of(fields, seen, believed);
  if (!found.fault.empty()) return 0;
  require(is_host_field(found.host), "a host is one");
  require(!found.client.empty(), "somebody is the client");
  auto const address = parse_ip(found.client);
  require(!address || to_string(*address) == found.client, "an address is written as it is read");
  if (!address || believed.contains(*address)) return 0;

  bool const is_forwarded = std::any_of(fields.begin(), fields.end(), [](auto const& one) {
    return one.first == names[3] && one.second.find_first_not_of(" \t") != std::string_view::npos;
  });
  field_list spoofed{is_forwarded ? std::pair(names[3], std::string_view("for=1.2.3.4;proto=https;host=evil"))
                                  : std::pair(names[0], std::string_view("1.2.3.4, 10.0.0.7"))};
  spoofed.insert(spoofed.end(), fields.begin(), fields.end());
  auto const again = outside_of(spoofed, seen, believed);
  require(again.fault.empty() && again.client == found.client && again.is_tls == found.is_tls &&
              again.host == found.host,
          "what stands further left changes nothing");
  return 0;
}
