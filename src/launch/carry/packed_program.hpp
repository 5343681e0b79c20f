// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "yonder/detail/export.hpp"

namespace yonder::launch {

// A program with the shared libraries that it is loaded with, and files that it reads, as one archive, for
// machines that fetch it themselves.
struct packed_program {
  std::string id;          // SHA-256, of the names and hashes of all its files
  std::string loader;      // a path of the machine that it is started on; empty: it is started without one
  std::string glibc;       // the oldest there that will do; empty: any
  std::uint64_t size = 0;  // of the files, as they lie there
  // Scripts for `sh -c SCRIPT NAME WORDS…`: what takes the archive, on its stdin, and what starts the
  // program, whose arguments follow.
  std::string take, start;
  std::vector<std::string> take_words, start_words;
};

// Reads it, and writes the archive, a plain tar, to `file`; empty: it is not written. `folder`: where it will
// be there. Takes a while. Throws std::runtime_error, std::system_error.
YONDER_API packed_program pack_program(std::string const& program, std::vector<std::string> const& files,
                                       std::string const& folder, std::string const& file);

}  // namespace yonder::launch
