// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>

#include "src/journal/file_system.hpp"

namespace yonder::journal {

// A folder of the system that this process alone has open as a journal, until the object ends. Files are made
// 0600. `change`: it is made (0700) if it is absent, and its files may be written; otherwise it is looked at.
// Throws error.
std::unique_ptr<file_system> open_folder(std::string const& path, bool change);

// The same to look at, while another process may have it open and write there.
std::unique_ptr<file_system> look_into_folder(std::string const& path);

}  // namespace yonder::journal
