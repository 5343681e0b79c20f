// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <filesystem>
#include <optional>
#include <string>

namespace yonder::transport {

// The path of "ipc://PATH"; nothing for "tcp://HOST:PORT". Anything else is refused by setup_error.
std::optional<std::filesystem::path> ipc_path(std::string const& address);

}  // namespace yonder::transport
