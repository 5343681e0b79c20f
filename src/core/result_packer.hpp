// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <optional>

namespace yonder::core {

// Collects the values of consecutive items of a batch, so that they travel as one frame.
class result_packer {
 public:
  static constexpr std::size_t max_bytes = std::size_t{128} << 10;  // of values in one frame

  // Whether `value` of `key` may be added to what is here. An empty one takes every value without buffers.
  bool takes(attempt_key const& key, frame const& value) const noexcept;
  // Adds it. `ran`: how long the attempt did.
  void add(time_point now, attempt_key const& key, frame const& value, duration ran);
  // The same for values of several items, from `first` on, each of this size. A row of them that does not fit
  // is taken by an empty one.
  bool takes(attempt_key const& first, std::span<std::uint32_t const> sizes,
             std::size_t bytes) const noexcept;
  void add(time_point now, attempt_key const& first, std::span<std::uint32_t const> sizes,
           std::span<std::byte const> values, duration ran);
  // All of it as a result, whose header says everything but the session's part. Not if empty().
  frame take();

  bool empty() const noexcept { return sizes_.empty(); }
  time_point since() const noexcept { return since_; }  // of the oldest value; never: empty
  void clear() noexcept;

 private:
  bool follows(attempt_key const& key) const noexcept;

  attempt_key first_;
  std::vector<std::uint32_t> sizes_;
  byte_buffer values_;
  duration ran_ = 0;
  time_point since_ = never;
};

}  // namespace yonder::core
