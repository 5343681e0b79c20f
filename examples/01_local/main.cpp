// SPDX-License-Identifier: Apache-2.0
//
// A task is a function with a name. Called here, it is the function.
#include <yonder/yonder.hpp>

#include <iostream>

long fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }

inline constexpr yonder::task<fibonacci> fib;

int main() {
  std::cout << fib.name << "(20) = " << fib.local(20) << "\n";  // the same machine code as fibonacci(20)
}
