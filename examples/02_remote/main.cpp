// SPDX-License-Identifier: Apache-2.0
//
// One word changes: the same function, on a worker process of this same binary.
#include <unistd.h>
#include <yonder/yonder.hpp>

#include <iostream>
#include <string>

struct greeting {
  std::string text;
  int process = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(text), CEREAL_NVP(process));
  }
};

greeting greet(std::string const& name) { return {"hello, " + name, ::getpid()}; }

inline constexpr yonder::task<greet> hello;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);  // first in main: in a worker, it serves and never returns

  greeting const near = hello.local("near");
  greeting const far = hello.remote("yonder");
  std::cout << near.text << "; " << far.text << "\n";
  std::cout << (near.process == far.process ? "one process" : "two processes") << "\n";

  auto later = hello.spawn("later");  // returns at once
  std::cout << later.get().text << "\n";
}
