// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

namespace yonder::kernels {

// A trie of byte strings, each with an id and a score, as a double array (Aoe, IEEE Transactions on Software
// Engineering 15(9), 1989). A child stands at its parent's base exclusive-or its byte, as darts-clone places
// it: all children of a node are in one block of 256.
class double_array {
 public:
  struct entry {
    std::string_view text;
    std::int32_t id;  // from 0 on
    double score;
  };

  double_array() : double_array(std::span<entry const>()) {}
  // Sorted by text; of equal texts the last one holds. Throws std::length_error past 2^24 nodes.
  explicit double_array(std::span<entry const> sorted);

  // Calls each(bytes, id, score) for the entries that `text` begins with, the shortest first; none is empty.
  template <class Each>
  void for_each_prefix(std::string_view text, Each&& each) const {
    node const* const nodes = nodes_.data();
    std::uint32_t base = nodes->base();
    for (std::size_t at = 0; at < text.size();) {
      auto const byte = static_cast<unsigned char>(text[at++]);
      node const& next = nodes[base ^ byte];
      if (next.label() != byte) return;
      if (next.id >= 0) each(at, next.id, next.score);
      base = next.base();
    }
  }

  // The id of `text`; nothing where it is no entry.
  std::optional<std::int32_t> find(std::string_view text) const noexcept;

 private:
  class builder;

  struct node {
    std::uint32_t base_and_label = 0;  // of the node, and of the edge to it in the lowest byte
    std::int32_t id = -1;              // of the entry that ends here
    double score = 0;

    std::uint32_t base() const noexcept { return base_and_label >> 8; }
    unsigned char label() const noexcept { return static_cast<unsigned char>(base_and_label); }
  };

  std::vector<node> nodes_;  // the root first
};

}  // namespace yonder::kernels
