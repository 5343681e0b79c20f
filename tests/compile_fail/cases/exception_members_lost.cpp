// SPDX-License-Identifier: Apache-2.0
// expect: the members of this exception would be lost
#include <stdexcept>
#include <yonder/exception.hpp>

struct http_error : std::runtime_error {
  using std::runtime_error::runtime_error;
  int status = 0;
};
inline constexpr yonder::exception_registration<http_error> http_error_travels;

int main() { throw http_error("not found"); }
