// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <sys/stat.h>

#include <filesystem>
#include <string>
#include <string_view>

// Files of keys as files: who may have written them, and how they are written. All throw setup_error.
namespace yonder::transport {

[[noreturn]] void refuse_file(std::filesystem::path const& file, std::string const& why);
[[noreturn]] void refuse_file_errno(std::filesystem::path const& file, std::string const& what);

struct file_text {
  std::string text;
  struct ::stat state {};
};

// Of a file that nobody but this user and root can have written.
file_text read_trusted_text(std::filesystem::path const& file);

// Of a file that is this user's own, and closed to others.
std::string read_secret_text(std::filesystem::path const& file);

// The folders above this one, for this user only, as far as they can be made.
void make_parent_folders(std::filesystem::path const& folder);

// A file that is not there yet; on disk when it returns.
void write_new_file(std::filesystem::path const& file, mode_t mode, std::string_view text);

}  // namespace yonder::transport
