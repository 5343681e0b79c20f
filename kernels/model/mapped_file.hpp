// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>
#include <string_view>

namespace yonder::kernels {

// A regular file, mapped read-only. Its bytes live as long as this object.
class mapped_file {
 public:
  // Throws ml::missing_file.
  explicit mapped_file(std::filesystem::path const& path);
  mapped_file(mapped_file&& other) noexcept;
  mapped_file& operator=(mapped_file&& other) noexcept;
  ~mapped_file();

  std::span<std::byte const> bytes() const noexcept { return bytes_; }
  std::string_view text() const noexcept {
    return {reinterpret_cast<char const*>(bytes_.data()), bytes_.size()};
  }

 private:
  std::span<std::byte const> bytes_;
};

}  // namespace yonder::kernels
