// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <string>

struct message {
  std::string label;
  float score = 0;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(label, score);
  }
};
