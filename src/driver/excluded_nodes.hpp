// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <string>
#include <vector>

namespace yonder::driver {

// The nodes of a batch system that are left out of what is submitted, as starts there have failed: a node on
// which each start fails at once is idle again at once, and would be given the next one, too. All times in
// nanoseconds.
class excluded_nodes {
 public:
  static constexpr std::size_t most = 16;  // at once: where more fail, it is not the nodes
  static constexpr std::int64_t first_pause = 60'000'000'000;
  static constexpr std::int64_t longest_pause = 1'800'000'000'000;

  // A start there has ended without its worker having come. For how long it is left out from now on, which
  // doubles with each in a row; 0: it is not, or was already.
  std::int64_t failed(std::int64_t now, std::string const& node);
  // A worker of it has come.
  void served(std::string const& node) { nodes_.erase(node); }
  // Those that are left out now, by their names.
  std::vector<std::string> at(std::int64_t now) const;
  // Nothing can run without them: for longest_pause none is left out.
  void lift(std::int64_t now);

 private:
  struct state {
    int failures = 0;  // in a row
    std::int64_t until = 0;
  };
  std::map<std::string, state> nodes_;
  std::int64_t lifted_until_ = 0;
};

}  // namespace yonder::driver
