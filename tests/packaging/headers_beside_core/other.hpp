// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <stdexcept>
#include <yonder/exception.hpp>
#include <yonder/task.hpp>

namespace other {

struct negative_error : std::runtime_error {
  using std::runtime_error::runtime_error;
  int value = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
  }
};

int twice(int number);
inline constexpr yonder::task<twice> twice_task;
inline constexpr yonder::exception_registration<negative_error> negative_error_travels;

void call_negative();
bool catches_too_large();

}  // namespace other
