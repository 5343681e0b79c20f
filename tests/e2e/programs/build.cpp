// SPDX-License-Identifier: Apache-2.0
//
// Compiled twice, as two builds of one program: a worker that says which it is, and a caller that asks.
#include <iostream>
#include <set>
#include <string>
#include <vector>

#include "yonder/yonder.hpp"

namespace {

int which(int) { return E2E_BUILD; }
constexpr yonder::task<which, "e2e.which"> asked;

struct room {
  int number() const { return E2E_BUILD; }
};
constexpr yonder::service<room(), "e2e.rooms"> rooms{{.scaledown_window = std::chrono::milliseconds(20)}};
constexpr yonder::method<&room::number, "e2e.room"> room_number;

yonder::options settings_of(std::string const& how) {
  if (how == "same") return {.build = yonder::build::same};
  if (how == "any") return {.build = yonder::build::any};
  return {};
}

}  // namespace

// HOW [once]: the builds that calls ran on.
int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  auto const settings = settings_of(argc > 1 ? argv[1] : "");
  try {
    std::set<int> seen;
    if (argc > 1 && std::string(argv[1]) == "service") {
      seen.insert(room_number.on(rooms()).remote());
    } else {
      std::vector<int> const many(argc > 2 ? 1 : 400);
      for (int const build : asked.with(settings).map(many)) seen.insert(build);
      seen.insert(asked.with(settings).remote(0));
    }
    for (int const build : seen) std::cout << build << ' ';
    std::cout << std::endl;
  } catch (yonder::error const& refused) {
    std::cout << to_string(refused.code()) << ": " << refused.what() << std::endl;
  }
  return 0;
}
