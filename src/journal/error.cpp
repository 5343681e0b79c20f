// SPDX-License-Identifier: Apache-2.0
#include "src/journal/error.hpp"

#include <cerrno>

namespace yonder::journal {

error of_system(std::system_error const& said) {
  auto const text = std::string("journal: ") + said.what();
  constexpr char const* kept = "; what was acknowledged is kept, nothing new is: ";
  switch (said.code().value()) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return {problem::disk_full, text + kept + "make room, then start again"};
    case EROFS:
    case EACCES:
    case EPERM: return {problem::read_only, text + kept + "let this user write there, then start again"};
    default: return {problem::disk_failed, text + kept + "look after the disk, then start again"};
  }
}

}  // namespace yonder::journal
