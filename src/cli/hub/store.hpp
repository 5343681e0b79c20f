// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>

#include "src/cli/hub/hub.hpp"

namespace yonder::cli {

// ORG/NAME@REVISION. Throws std::invalid_argument.
struct model_name {
  explicit model_name(std::string const& text);

  std::string id;
  std::string revision = "main";
};

// Whether yonder::ml reads a file of a model.
bool is_of_use(std::string const& path);

// What is on its way: the file, how much of it is there, and how much there will be.
using download_watch = std::function<void(hub_file const&, std::uint64_t)>;

// Brings a model's files into the cache, as Hugging Face's own tools lay it out, and may run beside them:
// blobs/HASH, snapshots/COMMIT with links to them, refs/REVISION last. What was begun is gone on with; what
// is whole has its hash. Returns the snapshot's folder. Throws std::runtime_error, std::filesystem's errors.
std::filesystem::path download(hub const& from, model_name const& name, std::filesystem::path const& cache,
                               download_watch const& watch);

}  // namespace yonder::cli
