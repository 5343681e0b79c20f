// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

#include "src/platform/unique_fd.hpp"
#include "tests/bench/measure.hpp"

namespace bench {

// The peer of the local transport: a process that sends back whatever comes on a blocking socketpair.
class raw_socket_echo {
 public:
  raw_socket_echo();
  // Sends `message` in one write, and reads as many bytes.
  void round_trip(std::string const& message);

 private:
  struct ends {
    yonder::platform::unique_fd ours;
    yonder::platform::unique_fd theirs;
    ends();
  };
  ends ends_;
  peer_process process_;
  std::string answer_;
};

// Echoes until the other end of `socket` is gone.
void serve_raw_socket(int socket);

}  // namespace bench
