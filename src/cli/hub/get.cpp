// SPDX-License-Identifier: Apache-2.0
#include "src/cli/hub/get.hpp"

#include <unistd.h>

#include <cstdlib>
#include <iostream>
#include <stdexcept>

#include "src/cli/hub/store.hpp"
#include "yonder/ml/model_cache.hpp"

namespace yonder::cli {
namespace {

// A line for each file, that counts up where a person sees it.
class download_progress {
 public:
  void operator()(hub_file const& file, std::uint64_t there) {
    bool const whole = there == file.size;
    auto const share = file.size == 0 ? 100 : 100 * there / file.size;
    if (file.path == whole_ || (!whole && (!seen_ || share == share_))) return;
    share_ = share;
    std::cerr << (seen_ ? "\r" : "") << file.path << "  " << share << " % of " << file.size << " bytes"
              << (whole ? "\n" : "") << std::flush;
    if (whole) whole_ = file.path;
  }

 private:
  bool seen_ = ::isatty(STDERR_FILENO) == 1;
  std::uint64_t share_ = 101;
  std::string whole_;
};

}  // namespace

int get_model(std::string const& name, std::string const& cache) {
  model_name const model(name);
  auto const place = cache.empty() ? ml::model_cache() : std::filesystem::path(cache);
  if (place.empty()) throw std::runtime_error("no cache is known; set HF_HOME, or name a folder: --cache");
  download_progress shown;
  auto const folder = download(hub::from_environment(), model, place,
                               [&](hub_file const& file, std::uint64_t there) { shown(file, there); });
  std::cout << folder.string() << std::endl;
  return EXIT_SUCCESS;
}

}  // namespace yonder::cli
