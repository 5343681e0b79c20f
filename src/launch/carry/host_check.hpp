// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

#include "src/launch/carry/far_machine.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::launch {

// A look at a machine that ssh reaches, as it is taken before a program is carried there.
struct host_check {
  std::string host;                    // as of `ssh NAME`
  std::vector<std::string> options{};  // of ssh
  std::string program{};               // of this machine; empty: this very one
  std::string cache{};                 // there; empty: the user's own folder
  std::string hub{};                   // "tcp://host:port"; empty: none is looked for
  bool gpu = false;                    // whether a GPU is asked for
  bool installed = false;              // the program is there, with what it needs: it is not carried
};

// Waits for it. Throws std::invalid_argument where the program cannot be read here, or is none;
// std::runtime_error with all that was run and printed where ssh does not reach the machine.
YONDER_API std::vector<finding> examine_host(host_check const& wanted);

}  // namespace yonder::launch
