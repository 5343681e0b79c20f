// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/detail/export.hpp"
#include "yonder/options.hpp"

namespace yonder::detail {

// One call's decision where to run, and while it lives its place among those that run here.
class YONDER_API here_or_yonder {
 public:
  explicit here_or_yonder(placement where) noexcept;
  ~here_or_yonder();
  here_or_yonder(here_or_yonder const&) = delete;
  here_or_yonder& operator=(here_or_yonder const&) = delete;
  bool here() const noexcept { return here_; }

 private:
  bool here_;
  bool counted_;
};

}  // namespace yonder::detail
