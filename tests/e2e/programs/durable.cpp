// SPDX-License-Identifier: Apache-2.0
//
// A hub with a journal, a worker of it, and callers that end at once: what durable calls survive. Arguments:
//   hub KEYS JOURNAL ADDRESS                 says its address, and serves
//   spawn KEYS ADDRESS FILE COUNT TASK       says the id of each call that is accepted, and waits to be
//   killed
//   --yonder-worker ADDRESS                  a worker
#include "tests/e2e/programs/durable.hpp"

#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <string>

namespace {

void say(std::string const& line) {
  std::puts(line.c_str());
  std::fflush(stdout);
}

int hub(std::string const& keys, std::string const& journal, std::string const& address) {
  yonder::runtime const here({.max = 0, .bind = {address}, .journal = journal, .keys = keys});
  say(here.addresses().front());
  here.serve();
  return 0;
}

int spawn(std::string const& keys, std::string const& address, std::string const& file, int count,
          std::string const& task) {
  yonder::runtime const here({.hub = address, .keys = keys});
  for (int i = 0; i < count; ++i) {
    auto const call = task == "once" ? e2e::task::note_once.spawn(file, i) : e2e::task::note.spawn(file, i);
    say(to_string(call.id()));
  }
  say("done");
  for (;;) ::pause();
}

}  // namespace

int main(int argc, char** argv) {
  std::string const what = argc > 1 ? argv[1] : "";
  if (what == "hub" && argc == 5) return hub(argv[2], argv[3], argv[4]);
  if (what == "spawn" && argc == 7) return spawn(argv[2], argv[3], argv[4], std::atoi(argv[5]), argv[6]);
  yonder::runtime const here(argc, argv);
}
