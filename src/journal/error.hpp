// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <stdexcept>
#include <string>
#include <system_error>

#include "yonder/detail/export.hpp"

namespace yonder::journal {

// Why a journal is refused, or takes nothing more.
enum class problem : std::uint8_t {
  damaged,      // what was acknowledged is not there, or is not what was written
  newer,        // a later version wrote it
  in_use,       // another process has it open
  unusable,     // the folder is not one that a journal may lie in
  disk_full,    // ENOSPC, EDQUOT, EFBIG
  read_only,    // EROFS, EACCES, EPERM
  disk_failed,  // any other error of the system: EIO, …
};

// what(): what was found, where, and what to do.
class YONDER_API error : public std::runtime_error {
 public:
  error(problem why, std::string const& text) : std::runtime_error(text), why_(why) {}
  problem why() const noexcept { return why_; }

 private:
  problem why_;
};

// What the disk said, with what to do.
error of_system(std::system_error const& said);

}  // namespace yonder::journal
