// SPDX-License-Identifier: Apache-2.0
//
// Callbacks: a task that the hub calls with what another one has returned, whoever is gone by then. `callback
// FILE` asks for something and ends; run.sh kills the hub meanwhile.
#include <yonder/yonder.hpp>

#include <fstream>
#include <iostream>
#include <string>

struct settlement {
  std::string file;
  long total = 0;
};
settlement settle(std::string const& file, long n) { return {file, n * (n + 1) / 2}; }
void announce(settlement const& settled) {
  std::ofstream(settled.file) << "settled: " << settled.total << "\n";
}

inline constexpr yonder::task<settle> settling{{.idempotent = true, .durable = true}};
inline constexpr yonder::task<announce> announcing{{.retries = 3}};

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  if (argc < 2) return 1;
  auto const call = settling.then(announcing).spawn(argv[1], 100);  // returns when both are on disk
  std::cout << to_string(yonder::callback_id(call.id())) << "\n";
}
