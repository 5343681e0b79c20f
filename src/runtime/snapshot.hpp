// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub.hpp"
#include "yonder/snapshot.hpp"

namespace yonder::runtime_detail {

runtime_snapshot snapshot_of(core::hub const& hub);

}  // namespace yonder::runtime_detail
