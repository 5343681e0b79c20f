// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "model/unicode.hpp"

namespace yonder::kernels::unicode {

// The second half of NFC (The Unicode Standard, 3.11): decomposed code points in canonical order are put
// together. Each comes and goes with the change that Hugging Face's NormalizedString counts: above 0 a letter
// that was not there, 0 one in the place of another, below 0 the same and so many letters after it gone.
template <class Sink>
class recomposer {
 public:
  // sink(code, change)
  explicit recomposer(Sink& sink) : sink_(sink) {}

  void put(char32_t code, int change) {
    auto const order = combining_class(code);
    if (!starter_) {
      if (order != 0) return sink_(code, change);
      starter_ = {code, change};
      return;
    }
    bool const blocked = !marks_.empty() && last_order_ >= order;
    if (auto const whole = blocked ? std::nullopt : compose(starter_->code, code)) {
      starter_ = {*whole, starter_->change + change - 1};
    } else if (order == 0) {
      flush();
      starter_ = {code, change};
    } else {
      marks_.push_back({code, change});
      last_order_ = order;
    }
  }

  void flush() {
    if (starter_) sink_(starter_->code, starter_->change);
    for (auto const& mark : marks_) sink_(mark.code, mark.change);
    starter_.reset();
    marks_.clear();
  }

 private:
  struct letter {
    char32_t code;
    int change;
  };

  Sink& sink_;
  std::optional<letter> starter_;  // what the next ones may become part of
  std::vector<letter> marks_;      // which did not
  std::uint8_t last_order_ = 0;
};

}  // namespace yonder::kernels::unicode
