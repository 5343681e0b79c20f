// SPDX-License-Identifier: Apache-2.0
// expect: an exception that travels is derived from std::exception
#include <yonder/exception.hpp>

struct out_of_paper {
  int tray;
};
inline constexpr yonder::exception_registration<out_of_paper> out_of_paper_travels;

int main() { throw out_of_paper{2}; }
