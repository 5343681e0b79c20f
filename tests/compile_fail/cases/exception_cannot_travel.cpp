// SPDX-License-Identifier: Apache-2.0
// expect: an exception that travels is serializable and default-constructible, or constructible from its
// what()
#include <exception>
#include <yonder/exception.hpp>

struct out_of_paper : std::exception {
  explicit out_of_paper(int trays) : tray(trays) {}
  int tray;
};
inline constexpr yonder::exception_registration<out_of_paper> out_of_paper_travels;

int main() { throw out_of_paper(2); }
