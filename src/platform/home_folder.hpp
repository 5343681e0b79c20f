// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <pwd.h>
#include <unistd.h>

#include <array>
#include <string>

namespace yonder::platform {

// Where what is this user's lies: `stated`, which is $HOME as far as it is believed, or else, where nobody
// has set it (a service of systemd, cron, env -i), as the system's list of users has it. Empty: it has none.
inline std::string home_folder(std::string stated) {
  if (!stated.empty()) return stated;
  std::array<char, 16384> space{};
  passwd entry{};
  passwd* found = nullptr;
  if (::getpwuid_r(::geteuid(), &entry, space.data(), space.size(), &found) != 0 || found == nullptr)
    return {};
  return found->pw_dir != nullptr ? found->pw_dir : "";
}

}  // namespace yonder::platform
