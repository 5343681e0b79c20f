// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/awaited_endings.hpp"

#include <algorithm>
#include <limits>

#include "src/runtime/engine.hpp"
#include "src/runtime/gateway.hpp"
#include "yonder/runtime.hpp"

namespace yonder {
namespace runtime_detail {

void end_in_good_order(detail::engine& engine, awaited_endings const& endings) {
  auto const within = engine.drain_timeout();
  auto const done = engine.drain(within);
  if (done < 0) return;
  constexpr std::chrono::milliseconds longest{std::numeric_limits<int>::max()};
  auto const whole = std::chrono::ceil<std::chrono::milliseconds>(std::chrono::nanoseconds(within));
  endings.wait(done, std::min(longest, whole + std::chrono::seconds(1)));
}

}  // namespace runtime_detail

void runtime::serve() const {
  runtime_detail::awaited_endings const endings;
  endings.wait();
  if (gateway_ != nullptr) gateway_->drain();
  runtime_detail::end_in_good_order(*engine_, endings);
}

}  // namespace yonder
