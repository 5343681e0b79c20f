// SPDX-License-Identifier: Apache-2.0
#include <stdexcept>
#include <yonder/exception.hpp>

struct out_of_paper : std::runtime_error {
  using runtime_error::runtime_error;
};
inline constexpr yonder::exception_registration<out_of_paper> out_of_paper_travels;

int main() { throw out_of_paper("tray 2"); }
