// SPDX-License-Identifier: Apache-2.0
#include "transports/local/block_table.hpp"

#include <algorithm>

namespace yonder::transport {

std::optional<std::uint32_t> block_table::take(std::uint32_t count) {
  if (count == 0 || count > pages_ || used_ == most_blocks) return std::nullopt;
  std::uint32_t at = 0;
  std::uint32_t first = 0;
  while (at < used_ && taken_[at].first - first < count) {
    first = taken_[at].first + taken_[at].count;
    ++at;
  }
  if (pages_ - first < count) return std::nullopt;
  std::copy_backward(taken_.begin() + at, taken_.begin() + used_, taken_.begin() + used_ + 1);
  taken_[at] = {first, count};
  ++used_;
  touched_ = std::max(touched_, first + count);
  return first;
}

bool block_table::give(std::uint32_t first) {
  auto const end = taken_.begin() + used_;
  auto const found = std::lower_bound(taken_.begin(), end, first,
                                      [](block const& one, std::uint32_t at) { return one.first < at; });
  if (found == end || found->first != first) return false;
  std::copy(found + 1, end, found);
  --used_;
  return true;
}

}  // namespace yonder::transport
