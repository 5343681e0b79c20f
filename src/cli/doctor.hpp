// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>
#include <vector>

namespace yonder::cli {

// yonder doctor: its first line says whether this machine's GPU will be used, and if not, what to type; then
// what was seen. Returns the exit status: 0 if so, else 1.
// As JSON it is an object: gpu, answer, facts.
int doctor(bool json);

#if defined(YONDER_HAS_LAUNCH)
struct doctor_order {
  std::string host;
  std::vector<std::string> ssh;  // more of its options
  std::string program;
  std::string cache;
  std::string hub;
  bool gpu = false;
  bool installed = false;
};

// yonder doctor HOST: whether a program would run there, line by line, and what to do where it would not. The
// exit status: 0 if it would, 1 if not, 3 where ssh does not reach the host.
int doctor(doctor_order const& wanted, bool json);
#endif

}  // namespace yonder::cli
