// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <chrono>
#include <filesystem>
#include <string>

#include "src/platform/unique_fd.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::transport {

// The name of a socket that this process listens at, in a folder that nobody else can enter.
class YONDER_API socket_file {
 public:
  // Makes the folder if need be, and sees that nobody listens at `path`, where a file of an ended process may
  // lie. Whoever else prepares a name in that folder waits until what comes back is closed: once we listen.
  // Throws setup_error, which names it as `shown`: also where somebody has held the folder, or edited keys in
  // it, for longer than `patience` (errc::overloaded).
  [[nodiscard]] static platform::unique_fd prepare(
      std::filesystem::path const& path, std::string const& shown,
      std::chrono::milliseconds patience = std::chrono::seconds(10));

  // Of a socket that was bound just now.
  explicit socket_file(std::filesystem::path path);

  // Unless another process has put its own there.
  void remove() const;

 private:
  std::filesystem::path path_;
  dev_t device_ = 0;
  ino_t inode_ = 0;  // 0: there was none
};

}  // namespace yonder::transport
