// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <filesystem>

#include "src/platform/unique_fd.hpp"
#include "yonder/detail/export.hpp"

namespace yonder::transport {

// Makes sure that `folder` is a directory (no symbolic link) of this user that nobody else can enter: creates
// it with 0700 if it is absent. Throws setup_error otherwise; changes nothing that exists.
YONDER_API void make_private_folder(std::filesystem::path const& folder);

// The same for what is there already. False: it is absent.
YONDER_API bool check_private_folder(std::filesystem::path const& folder);

// Nobody else holds the folder until what comes back is closed. Null: somebody has held it for all of
// `patience`. Throws setup_error: it cannot be opened, or locked.
[[nodiscard]] YONDER_API platform::unique_fd hold_folder(std::filesystem::path const& folder,
                                                         std::chrono::milliseconds patience);

}  // namespace yonder::transport
