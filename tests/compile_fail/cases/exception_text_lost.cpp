// SPDX-License-Identifier: Apache-2.0
// expect: the what() of this exception would be lost
#include <stdexcept>
#include <yonder/exception.hpp>

struct http_error : std::runtime_error {
  http_error() : std::runtime_error("an http_error") {}
  int status = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(status);
  }
};
inline constexpr yonder::exception_registration<http_error> http_error_travels;

int main() { throw http_error(); }
