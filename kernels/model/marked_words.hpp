// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

#include "model/ascii.hpp"
#include "model/charsmap.hpp"
#include "model/metaspace.hpp"
#include "model/text_buffer.hpp"
#include "model/unicode.hpp"

namespace yonder::kernels {

// What a map of characters, a split at whitespace and a metaspace that marks words always or never make of a
// text, in one pass: no word is copied of whose letters the map leaves each as it is.
class marked_words {
 public:
  // Working memory, for one thread.
  class scratch {
   public:
    std::size_t bytes() const noexcept { return text_.capacity() + word_.capacity() + changed_.capacity(); }

   private:
    friend class marked_words;

    text_buffer text_;
    text_buffer word_;  // what begins the word that goes on at hand, where that is not as in the text
    text_buffer changed_;
    bool has_mark_ = false;  // the word
  };

  // `map`: null where there is none. `marks`: each word that does not begin with metaspace::usual_mark gets
  // one.
  marked_words(std::shared_ptr<charsmap const> map, bool marks);

  // Calls each(word, marked) for the words, one or the other not empty or true, until it returns false; false
  // where it did. Where `marked`, metaspace::usual_mark belongs before the word. text_buffer::slack bytes can
  // be read at its end. Precondition: valid UTF-8.
  template <class Each>
  bool operator()(std::string_view text, scratch& memory, Each&& each) const {
    while (!text.empty()) {
      memory.text_.clear();
      memory.text_.append(take_chunk(text));
      memory.text_.finish();
      if (!split_chunk(memory, each)) return false;
    }
    return true;
  }

 private:
  static constexpr std::size_t chunk_bytes = 4096;
  static constexpr std::size_t plain_codes = 0x10000;

  // No cluster of letters goes over its end: a space begins one.
  static std::string_view take_chunk(std::string_view& text) noexcept {
    auto const end = text.size() <= chunk_bytes ? text.npos : text.find(' ', chunk_bytes);
    auto const chunk = text.substr(0, end);
    text.remove_prefix(chunk.size());
    return chunk;
  }

  // Of a word as it stands, whatever plain letters stand round it.
  bool is_plain(char32_t code) const noexcept {
    return code < plain_codes && (plain_[code / 64] >> code % 64 & 1) != 0;
  }

  template <class Each>
  bool split_chunk(scratch& memory, Each&& each) const {
    char const* const begin = memory.text_.view().data();
    char const* const end = begin + memory.text_.view().size();  // spaces follow
    char const* word = begin;                                    // of it, what is not in memory.word_
    char const* done = begin;  // the end of the last cluster that was taken by itself
    memory.word_.clear();
    memory.has_mark_ = false;
    for (char const* at = begin;;) {
      if (ascii_is_plain_) at = ascii::skip_visible(at);
      auto const byte = static_cast<unsigned char>(*at);
      if (byte == ' ' && (space_is_plain_ || at == end)) {
        if (!end_word(memory, word, at, each)) return false;
        if (at == end) return true;
        word = ++at;
        continue;
      }
      auto const letter = unicode::decode(at);
      if (is_plain(letter.code)) {
        at += letter.bytes;
        continue;
      }
      // The letter before it may begin its cluster.
      if (byte >= 0x80 && at > done) at -= unicode::decode_before(at).bytes;
      if (at > word) memory.word_.append({word, at});
      done = at + change_cluster({at, end}, memory);
      if (!take_changed(memory, each)) return false;
      word = at = done;
    }
  }

  // Writes what becomes of the cluster at the front of `text` to memory.changed_, and returns its bytes.
  std::size_t change_cluster(std::string_view text, scratch& memory) const;

  // Goes on with the word by what is in memory.changed_.
  template <class Each>
  bool take_changed(scratch& memory, Each&& each) const {
    auto const changed = memory.changed_.view();
    for (std::size_t at = 0; at < changed.size();) {
      auto const [code, bytes] = unicode::decode(changed.data() + at);
      if ((unicode::properties(code) & unicode::whitespace) != 0) {
        if (!end_word(memory, nullptr, nullptr, each)) return false;
      } else {
        memory.word_.append(changed.substr(at, bytes));
        memory.has_mark_ |= code == mark_code;
      }
      at += bytes;
    }
    return true;
  }

  static constexpr char32_t mark_code = 0x2581;

  // The word is what memory.word_ holds, and what stands from `begin` on.
  template <class Each>
  bool end_word(scratch& memory, char const* begin, char const* end, Each&& each) const {
    if (memory.word_.view().empty()) return begin == end || each(std::string_view(begin, end), marks_);
    if (begin != end) memory.word_.append({begin, end});
    memory.word_.finish();
    bool const more =
        memory.has_mark_ ? split_at_marks(memory.word_.view(), each) : each(memory.word_.view(), marks_);
    memory.word_.clear();
    memory.has_mark_ = false;
    return more;
  }

  // Each mark in `word` begins one.
  template <class Each>
  bool split_at_marks(std::string_view word, Each&& each) const {
    constexpr auto mark = metaspace::usual_mark;
    bool marked = marks_;
    if (word.starts_with(mark)) {
      marked = true;
      word.remove_prefix(mark.size());
    }
    for (;;) {
      auto const next = word.find(mark);
      if (!each(word.substr(0, next), marked)) return false;
      if (next == word.npos) return true;
      word.remove_prefix(next + mark.size());
      marked = true;
    }
  }

  std::shared_ptr<charsmap const> map_;
  bool marks_;
  bool space_is_plain_;
  bool ascii_is_plain_ = true;        // all that is visible
  std::vector<std::uint64_t> plain_;  // a bit for each of plain_codes
};

}  // namespace yonder::kernels
