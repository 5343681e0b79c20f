// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>

namespace yonder::core {

// A core has lost count of what it holds: a defect of Yonder, after which nothing that it says can be relied
// on. Whoever drives it ends it, with these words.
class broken_invariant : public std::logic_error {
 public:
  using std::logic_error::logic_error;
};

// Throws it: which rule does not hold.
[[noreturn]] void check_failed(char const* rule);

}  // namespace yonder::core

// A rule that holds in every build. Not in noexcept functions, and only where a look at it costs next to
// nothing.
#define YONDER_CHECK(holds, rule) ((holds) ? static_cast<void>(0) : ::yonder::core::check_failed(rule))
