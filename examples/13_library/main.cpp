// SPDX-License-Identifier: Apache-2.0
//
// A host that knows nothing of Yonder, and one that has a runtime and a task of its own (`library
// --with-runtime`). In both the library works.
#include <iostream>
#include <memory>
#include <string_view>
#include <yonder/yonder.hpp>

#include "spelling.hpp"

bool asks_spelling(std::string const& text) { return spelling::checker().check(text).empty(); }
inline constexpr yonder::task<asks_spelling> well_spelled;

void print(std::vector<std::string> const& unknown) {
  for (auto const& word : unknown) std::cout << word << "\n";
}

int main(int argc, char** argv) {
  bool const has_runtime =
      yonder::is_worker() || (argc == 2 && argv[1] == std::string_view("--with-runtime"));
  auto const here = has_runtime ? std::make_unique<yonder::runtime>() : nullptr;  // no argv

  spelling::checker const checker;
  print(checker.check("a goood job wel done"));
  // The host's own worker may use the library, too.
  if (has_runtime)
    std::cout << "well spelled: " << std::boolalpha << well_spelled.remote("a good job") << "\n";
}
