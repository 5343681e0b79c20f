// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace yonder::cli {

// A file of a repository, as the hub's tree lists it.
struct hub_file {
  std::string path{};  // inside the repository, by slashes, without control characters
  std::uint64_t size = 0;
  std::string hash{};  // SHA-256 of a large file, SHA-1 of a git blob of another: 64 or 40 digits

  bool is_large() const noexcept { return hash.size() == 64; }
};

// One page of /api/models/…/tree/…, without folders. Throws std::runtime_error for what is no such page, and
// for a path that leads out of the repository.
std::vector<hub_file> parse_tree(std::string_view json);
// The commit that /api/models/…/revision/… answers with. Throws std::runtime_error.
std::string parse_commit(std::string_view json);

}  // namespace yonder::cli
