// SPDX-License-Identifier: Apache-2.0
//
// A library that uses Yonder inside: nothing of it shows here, and whoever calls it needs no runtime.
#pragma once

#include <memory>
#include <string>
#include <vector>

namespace spelling {

class checker {
 public:
  checker();  // a library that may be unloaded, or is used by forks, makes one per use instead of a global
              // one
  ~checker();

  // The words that are not in the dictionary, in order.
  std::vector<std::string> check(std::string const& text) const;

 private:
  struct state;
  std::unique_ptr<state> state_;
};

}  // namespace spelling
