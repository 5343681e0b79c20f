// SPDX-License-Identifier: Apache-2.0
#include "src/core/result_packer.hpp"

#include "src/core/items.hpp"
#include "src/core/mutant.hpp"

namespace yonder::core {

bool result_packer::follows(attempt_key const& key) const noexcept {
  auto const next =
      attempt_key{{first_.call.session, first_.call.number + sizes_.size()}, first_.attempt, first_.epoch};
  return key == next || YONDER_MUTANT(results_mixed_up);
}

bool result_packer::takes(attempt_key const& key, frame const& value) const noexcept {
  if (!value.buffers.empty() || value.head.metadata_size != 0 ||
      value.body.size() + values_.size() > max_bytes)
    return false;
  return empty() || (follows(key) && sizes_.size() < max_items);
}

bool result_packer::takes(attempt_key const& first, std::span<std::uint32_t const> sizes,
                          std::size_t bytes) const noexcept {
  return empty() ||
         (follows(first) && bytes + values_.size() <= max_bytes && sizes_.size() + sizes.size() <= max_items);
}

void result_packer::add(time_point now, attempt_key const& first, std::span<std::uint32_t const> sizes,
                        std::span<std::byte const> values, duration ran) {
  if (empty()) {
    first_ = first;
    since_ = now;
  }
  sizes_.insert(sizes_.end(), sizes.begin(), sizes.end());
  values_.append(values.data(), values.size());
  ran_ += ran;
}

void result_packer::add(time_point now, attempt_key const& key, frame const& value, duration ran) {
  if (empty()) {
    first_ = key;
    since_ = now;
  }
  sizes_.push_back(static_cast<std::uint32_t>(value.body.size()));
  values_.append(value.body.data(), value.body.size());
  ran_ += ran;
}

frame result_packer::take() {
  frame packed;
  auto& head = packed.head;
  head.type = frame_type::result;
  head.call = first_.call;
  head.attempt = first_.attempt;
  head.remaining_us = static_cast<std::uint64_t>(ran_ / microsecond);
  if (sizes_.size() == 1) {
    packed.body = std::move(values_);
  } else {
    byte_buffer body;
    body.reserve(64 + sizes_.size() * sizeof(std::uint32_t) + values_.size());
    YONDER_REACHED(values_packed);
    write_items(body, sizes_);
    head.metadata_size = static_cast<std::uint32_t>(body.size());
    body.append(values_.data(), values_.size());
    packed.body = std::move(body);
  }
  clear();
  return packed;
}

void result_packer::clear() noexcept {
  sizes_.clear();
  values_ = {};
  ran_ = 0;
  since_ = never;
}

}  // namespace yonder::core
