// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "yonder/errc.hpp"

#include <stdexcept>
#include <string>

namespace yonder::transport {

// An endpoint, or a key, cannot be set up: says what was asked, what was found and what to do.
class setup_error : public std::runtime_error {
 public:
  setup_error(errc code, std::string const& what) : std::runtime_error(what), code_(code) {}

  // bad_configuration, unauthorized, hub_unreachable, or overloaded (try again).
  errc code() const noexcept { return code_; }

 private:
  errc code_;
};

}  // namespace yonder::transport
