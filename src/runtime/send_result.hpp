// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/driver/outbox.hpp"
#include "transports/transport.hpp"

namespace yonder::runtime_detail {

// What a transport says of a frame, as the drivers know it.
inline driver::send_result as_result(transport::send_status status) noexcept {
  switch (status) {
    case transport::send_status::full: return driver::send_result::full;
    case transport::send_status::gone: return driver::send_result::gone;
    case transport::send_status::too_large: return driver::send_result::too_large;
    default: return driver::send_result::sent;
  }
}

}  // namespace yonder::runtime_detail
