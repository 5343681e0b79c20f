// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <dlfcn.h>
#include <netdb.h>

#include <atomic>
#include <string_view>

// For one file of a program: its getaddrinfo() takes the place of the system's.

// "two-addresses.test" has ::1, then 127.0.0.1, but for the first lookups.
static std::atomic<int> lookups_that_fail{0};

extern "C" int getaddrinfo(char const* host, char const* service, addrinfo const* wanted, addrinfo** found) {
  using lookup = int (*)(char const*, char const*, addrinfo const*, addrinfo**);
  static auto const real = reinterpret_cast<lookup>(::dlsym(RTLD_NEXT, "getaddrinfo"));
  if (host != nullptr && std::string_view(host) == "six.test")
    return wanted != nullptr && wanted->ai_family == AF_INET ? EAI_NONAME
                                                             : real("::1", service, wanted, found);
  if (host == nullptr || std::string_view(host) != "two-addresses.test")
    return real(host, service, wanted, found);
  if (lookups_that_fail.load() > 0 && lookups_that_fail-- > 0) return EAI_NONAME;
  addrinfo* second = nullptr;
  int error = real("::1", service, wanted, found);
  if (error == 0) error = real("127.0.0.1", service, wanted, &second);
  if (error == 0) (*found)->ai_next = second;
  return error;
}
