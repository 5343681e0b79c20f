// SPDX-License-Identifier: Apache-2.0
//
// Durable calls: written down before spawn() returns, they survive the end of whoever made them, of their
// worker and of the hub. `durable` asks for something and ends; `durable ID` has what came of it.
// run.sh kills the hub between the two.
#include <yonder/yonder.hpp>

#include <iostream>
#include <string>

long sum_of_squares(long n) {
  long sum = 0;
  for (long i = 1; i <= n; ++i) sum += i * i;
  return sum;
}
inline constexpr yonder::task<sum_of_squares> summing{{.idempotent = true, .durable = true}};

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  if (argc < 2) {
    auto const call = summing.spawn(1000);  // returns when the hub has it on disk
    std::cout << to_string(call.id()) << "\n";
    return 0;
  }
  auto const id = yonder::parse_call_id(argv[1]);
  if (!id) return 1;
  std::cout << yonder::find<long>(*id).get() << "\n";  // waits for it, if need be; then the hub may forget it
}
