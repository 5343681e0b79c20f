// SPDX-License-Identifier: Apache-2.0
#include "model/wordpiece.hpp"

#include <algorithm>
#include <stdexcept>

namespace yonder::kernels {
namespace {

bool begins_code_point(char byte) noexcept { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }

}  // namespace

wordpiece::wordpiece(std::vector<entry> vocabulary, wordpiece_options const& options)
    : vocabulary_(std::move(vocabulary)), max_word_chars_(options.max_word_chars) {
  first_.ids.reserve(vocabulary_.size());
  next_.ids.reserve(vocabulary_.size());
  for (auto const& [token, id] : vocabulary_) {
    first_.add(token, id);
    if (token.starts_with(options.continuing_prefix)) {
      next_.add(std::string_view(token).substr(options.continuing_prefix.size()), id);
    }
    largest_id_ = std::max(largest_id_, id);
  }
  auto const unknown = find(options.unknown_token);
  if (!unknown) throw std::out_of_range("the unknown token is not in the vocabulary");
  unknown_id_ = *unknown;
}

void wordpiece::pieces::add(std::string_view text, std::int32_t id) {
  ids.insert_or_assign(text, id);
  longest = std::max(longest, text.size());
}

std::optional<std::int32_t> wordpiece::find(std::string_view token) const {
  auto const found = first_.ids.find(token);
  if (found == first_.ids.end()) return std::nullopt;
  return found->second;
}

wordpiece::match wordpiece::longest_match(pieces const& among, std::string_view text) {
  for (std::size_t bytes = std::min(text.size(), among.longest); bytes > 0; --bytes) {
    if (bytes < text.size() && !begins_code_point(text[bytes])) continue;
    auto const found = among.ids.find(text.substr(0, bytes));
    if (found != among.ids.end()) return {bytes, found->second};
  }
  return {};
}

void wordpiece::append(std::string_view word, std::vector<std::int32_t>& ids) const {
  std::size_t const before = ids.size();
  if (word.size() > max_word_chars_) {
    auto const chars = static_cast<std::size_t>(std::count_if(word.begin(), word.end(), begins_code_point));
    if (chars > max_word_chars_) return ids.push_back(unknown_id_);
  }
  for (std::size_t done = 0; done < word.size();) {
    auto const [bytes, id] = longest_match(done == 0 ? first_ : next_, word.substr(done));
    if (bytes == 0) {
      ids.resize(before);
      return ids.push_back(unknown_id_);
    }
    ids.push_back(id);
    done += bytes;
  }
}

}  // namespace yonder::kernels
