// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstdint>
#include <filesystem>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

namespace yonder::kernels::cuda {

// A cublasLtMatmulAlgo_t, which its library's version alone can read.
using kept_algorithm = std::array<std::uint64_t, 8>;

// The algorithms that were chosen for each device and shape, in a file that all processes of a user share:
// what one of them timed, the others take over, so that they compute the same bits. A line each: key, tab,
// 128 hexadecimal digits. Lines that are none are passed over. Thread-safe.
class algorithm_store {
 public:
  // The one of this user: yonder/cublaslt-algorithms in XDG_CACHE_HOME, or else in ~/.cache. Without either
  // nothing is kept.
  static algorithm_store& of_user();

  // An empty name: nothing is kept.
  explicit algorithm_store(std::filesystem::path file);

  bool keeps() const noexcept { return !file_.empty(); }
  std::optional<kept_algorithm> find(std::string_view key);
  // The first that any process kept under this key: `chosen`, or an earlier one. Nothing where the file
  // cannot be written, is locked for more than a second, or has grown past 4 MiB. Precondition: the key has
  // no tab and no end of line.
  std::optional<kept_algorithm> keep(std::string_view key, kept_algorithm const& chosen);

 private:
  std::mutex mutex_;
  std::filesystem::path file_;
};

}  // namespace yonder::kernels::cuda
