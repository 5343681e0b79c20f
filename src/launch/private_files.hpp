// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace yonder::launch {

// A folder of this process alone (mode 0700), which goes with it, and its files (0600, or 0700 for scripts).
// In $XDG_RUNTIME_DIR, or else in the folder for temporary files.
class private_files {
 public:
  // The folder is made when the first file is.
  private_files() = default;
  ~private_files();
  private_files(private_files const&) = delete;
  private_files& operator=(private_files const&) = delete;

  // Throws std::system_error. `name`: without a slash.
  std::filesystem::path write(std::string_view name, std::string_view text, bool executable = false);
  void remove(std::string_view name) noexcept;

 private:
  std::filesystem::path folder_;
};

}  // namespace yonder::launch
