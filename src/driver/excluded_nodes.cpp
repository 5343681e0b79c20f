// SPDX-License-Identifier: Apache-2.0
#include "src/driver/excluded_nodes.hpp"

#include <algorithm>

namespace yonder::driver {

std::int64_t excluded_nodes::failed(std::int64_t now, std::string const& node) {
  std::erase_if(nodes_, [now](auto const& one) { return one.second.until + longest_pause < now; });
  if (node.empty() || now < lifted_until_ || at(now).size() >= most) return 0;
  auto& one = nodes_[node];
  if (one.until > now) return 0;
  auto pause = first_pause;
  for (int i = one.failures++; i > 0 && pause < longest_pause; --i) pause *= 2;
  pause = std::min(pause, longest_pause);
  one.until = now + pause;
  return pause;
}

std::vector<std::string> excluded_nodes::at(std::int64_t now) const {
  std::vector<std::string> names;
  for (auto const& [name, one] : nodes_)
    if (one.until > now) names.push_back(name);
  return names;
}

void excluded_nodes::lift(std::int64_t now) {
  nodes_.clear();
  lifted_until_ = now + longest_pause;
}

}  // namespace yonder::driver
