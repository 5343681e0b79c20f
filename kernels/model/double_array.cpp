// SPDX-License-Identifier: Apache-2.0
#include "model/double_array.hpp"

#include <algorithm>
#include <array>
#include <bit>
#include <stdexcept>

namespace yonder::kernels {
namespace {

constexpr std::uint32_t block_size = 256;
constexpr std::uint32_t most_nodes = 1U << 24;  // a base has 24 bits
constexpr std::size_t most_open = 16;           // blocks that are searched for a place

// Of a block's places.
class places {
 public:
  bool has(std::uint32_t at) const noexcept { return (words_[at / 64] >> at % 64 & 1) != 0; }
  void add(std::uint32_t at) noexcept { words_[at / 64] |= std::uint64_t{1} << at % 64; }

  // Calls each(place) for those that are not here, until it returns true; true where it did.
  template <class Each>
  bool for_each_absent(Each&& each) const {
    for (std::uint32_t i = 0; i < words_.size(); ++i)
      for (std::uint64_t left = ~words_[i]; left != 0; left &= left - 1)
        if (each(i * 64 + static_cast<std::uint32_t>(std::countr_zero(left)))) return true;
    return false;
  }

 private:
  std::array<std::uint64_t, block_size / 64> words_{};
};

}  // namespace

// Depth first, so that a chain of nodes stands close together. Block 0 holds the root alone: base 0 is that
// of a node without children.
class double_array::builder {
 public:
  explicit builder(std::vector<node>& nodes) : nodes_(nodes) {
    nodes_.resize(block_size);
    fill_free({.first = 0});
  }

  void run(std::span<entry const> sorted) {
    ranges_.push_back({0, sorted.size(), 0, 0});
    while (!ranges_.empty()) {
      range const next = ranges_.back();
      ranges_.pop_back();
      take(sorted, next);
    }
    for (auto const& each : open_) fill_free(each);
  }

 private:
  // Entries that share the first `depth` bytes, which lead to `node`.
  struct range {
    std::size_t begin;
    std::size_t end;
    std::size_t depth;
    std::uint32_t node;
  };
  struct block {
    std::uint32_t first;
    std::uint32_t free = block_size;
    places used = {};
    places bases = {};  // those of a node
  };

  void take(std::span<entry const> sorted, range of) {
    for (; of.begin < of.end && sorted[of.begin].text.size() == of.depth; ++of.begin) {
      nodes_[of.node].id = sorted[of.begin].id;
      nodes_[of.node].score = sorted[of.begin].score;
    }
    labels_.clear();
    std::size_t const first_child = ranges_.size();
    while (of.begin < of.end) {
      char const label = sorted[of.begin].text[of.depth];
      std::size_t next = of.begin;
      while (next < of.end && sorted[next].text[of.depth] == label) ++next;
      labels_.push_back(static_cast<unsigned char>(label));
      ranges_.push_back({of.begin, next, of.depth + 1, 0});
      of.begin = next;
    }
    if (labels_.empty()) return;
    std::uint32_t const base = place();
    nodes_[of.node].base_and_label |= base << 8;
    for (std::size_t i = 0; i < labels_.size(); ++i) {
      std::uint32_t const child = base ^ labels_[i];
      nodes_[child].base_and_label = labels_[i];
      ranges_[first_child + i].node = child;
    }
    std::reverse(ranges_.begin() + static_cast<std::ptrdiff_t>(first_child), ranges_.end());
  }

  // Takes places for children of these labels, and returns their base.
  std::uint32_t place() {
    for (std::size_t i = 0; i < open_.size(); ++i) {
      if (auto const base = find_base(open_[i])) return occupy(i, *base);
    }
    if (nodes_.size() == most_nodes) throw std::length_error("nodes");
    if (open_.size() == most_open) close(0);
    open_.push_back({.first = static_cast<std::uint32_t>(nodes_.size())});
    nodes_.resize(nodes_.size() + block_size);
    return occupy(open_.size() - 1, *find_base(open_.back()));
  }

  // In the block, counted from its first node.
  std::optional<std::uint32_t> find_base(block const& in) const noexcept {
    if (in.free < labels_.size()) return std::nullopt;
    std::uint32_t base = 0;
    bool const found = in.used.for_each_absent([&](std::uint32_t at) {
      base = at ^ labels_.front();
      return !in.bases.has(base) &&
             std::ranges::none_of(labels_, [&](unsigned char label) { return in.used.has(base ^ label); });
    });
    return found ? std::optional(base) : std::nullopt;
  }

  std::uint32_t occupy(std::size_t index, std::uint32_t base) {
    auto& in = open_[index];
    std::uint32_t const first = in.first;
    in.bases.add(base);
    for (auto const label : labels_) in.used.add(base ^ label);
    in.free -= static_cast<std::uint32_t>(labels_.size());
    if (in.free == 0) close(index);
    return first + base;
  }

  void close(std::size_t index) {
    fill_free(open_[index]);
    open_.erase(open_.begin() + static_cast<std::ptrdiff_t>(index));
  }

  // Gives free places a label that no base of a node leads to: there are fewer bases than places in use.
  void fill_free(block const& in) {
    std::uint32_t unused = 1;
    while (in.free != 0 && in.bases.has(unused % block_size)) ++unused;
    in.used.for_each_absent([&](std::uint32_t at) {
      nodes_[in.first + at].base_and_label |= (at ^ unused) % block_size;
      return false;
    });
  }

  std::vector<node>& nodes_;
  std::vector<range> ranges_;
  std::vector<block> open_;
  std::vector<unsigned char> labels_;
};

double_array::double_array(std::span<entry const> sorted) { builder(nodes_).run(sorted); }

std::optional<std::int32_t> double_array::find(std::string_view text) const noexcept {
  node const* at = nodes_.data();
  for (char const each : text) {
    auto const byte = static_cast<unsigned char>(each);
    at = &nodes_[at->base() ^ byte];
    if (at->label() != byte) return std::nullopt;
  }
  return at->id < 0 ? std::nullopt : std::optional(at->id);
}

}  // namespace yonder::kernels
