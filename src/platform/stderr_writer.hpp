// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <optional>
#include <string_view>

#include "src/platform/unique_fd.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::platform {

// Writes to what stderr is now without waiting for whoever reads it. The flags of stderr itself stay as they
// are: other processes share them.
class YONDER_API stderr_writer {
 public:
  stderr_writer() noexcept;

  // How many bytes were taken; nothing if nobody will ever take any. Raises no SIGPIPE.
  std::optional<std::size_t> write(std::string_view text) const noexcept;

  // Readable once write() would take more; -1 if that cannot be waited for.
  int readiness() const noexcept { return readiness_.get(); }

 private:
  enum class kind : unsigned char { none, non_blocking, socket, file, shared };

  void open() noexcept;
  ssize_t try_write(std::string_view text) const noexcept;

  kind kind_ = kind::none;
  unique_fd fd_;
  unique_fd readiness_;
};

}  // namespace yonder::platform
