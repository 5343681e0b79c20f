// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "src/core/schedule_record.hpp"
#include "yonder/schedule.hpp"

namespace yonder::runtime_detail {

// What was said of a schedule, looked at. Throws usage_error (bad_configuration), in words.
core::schedule_terms terms_of(detail::schedule_times const& times, schedule_options&& how);

schedule_snapshot snapshot_of(core::schedule_row&& row);
core::schedule_change in_core(detail::schedule_change change) noexcept;
// Appends what a hub says of those that it keeps. Throws usage_error (undecodable).
void add_kept(std::span<std::byte const> said, std::vector<schedule_snapshot>& all);

}  // namespace yonder::runtime_detail
