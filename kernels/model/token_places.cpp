// SPDX-License-Identifier: Apache-2.0
//
// Where the tokens of a text stand: the steps of Hugging Face's pipeline one after the other, with the origin
// of each letter.
#include <algorithm>

#include "model/tokenizer.hpp"
#include "model/unicode.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

using namespace unicode;

std::uint32_t count_letters(std::string_view text) noexcept {
  return static_cast<std::uint32_t>(std::ranges::count_if(
      text, [](char byte) { return (static_cast<unsigned char>(byte) & 0xC0) != 0x80; }));
}

// U+0120 stands for a space in the vocabularies of byte-level BPE.
bool is_space(char32_t code) noexcept { return code == 0x120 || (properties(code) & whitespace) != 0; }

std::uint32_t count_spaces_before(std::string_view text) noexcept {
  std::uint32_t count = 0;
  for (std::size_t at = 0; at < text.size(); ++count) {
    auto const [code, bytes] = decode(text.data() + at);
    if (!is_space(code)) break;
    at += bytes;
  }
  return count;
}

std::uint32_t count_spaces_after(std::string_view text) noexcept {
  std::uint32_t count = 0;
  for (std::size_t end = text.size(); end > 0; ++count) {
    auto const [code, bytes] = decode_before(text.data() + end);
    if (!is_space(code)) break;
    end -= bytes;
  }
  return count;
}

std::size_t next_letter(std::string_view text, std::size_t at) noexcept {
  return at < text.size() ? at + decode(text.data() + at).bytes : at;
}

// Hugging Face's process_offsets; `keeps_one`: the first token of a text keeps the one space that was put
// there; several were there before.
void trim(std::string_view text, bool keeps_one, std::span<token_place> places) {
  for (auto& place : places) {
    auto& [begin, end] = place.bytes;
    auto before = place.spaces_before;
    if (before == 1 && keeps_one && (&place == places.data() || begin == 0)) before = 0;
    for (; before != 0 && begin < end; --before) begin = next_letter(text, begin);
    for (auto after = place.spaces_after; after != 0 && end > begin; --after)
      end -= decode_before(text.data() + end).bytes;
  }
}

}  // namespace

// Collects the tokens of one text.
class tokenizer::placer {
 public:
  placer(tokenizer const& tokens, std::string_view text)
      : tokens_(tokens), parts_(tokens.parts_), text_(text) {}

  placed_tokens run() && {
    tokens_.raw_tokens_(text_, [&](std::string_view stretch, std::int32_t id) {
      auto const begin = static_cast<std::size_t>(stretch.data() - text_.data());
      if (id >= 0) {
        add_whole(id, {begin, begin + stretch.size()}, stretch);
      } else {
        split(stretch, begin);
      }
      return true;
    });
    return std::move(found_);
  }

 private:
  void split(std::string_view stretch, std::size_t begin) {
    auto letters = letters_of(stretch, begin);
    parts_.normalize(letters);
    aligned_text const normal(letters);
    tokens_.normalized_tokens_(normal.text, [&](std::string_view piece, std::int32_t id) {
      if (id < 0) {
        split_words(normal, piece);
      } else {
        add_whole(id, piece.empty() ? byte_span{} : normal.origin_of(piece), piece);
      }
      return true;
    });
  }

  void split_words(aligned_text const& normal, std::string_view piece) {
    if (parts_.spaces) return split_at_spaces(normal, piece);
    if (!parts_.prefix_space || piece.starts_with(' ')) return add_words(normal, piece);
    auto const begin = piece.data() - normal.text.data();
    auto const first = normal.origins.begin() + begin;
    aligned_text spaced;
    spaced.text = " ";
    spaced.text += piece;
    spaced.origins.push_back(*first);
    spaced.origins.insert(spaced.origins.end(), first, first + static_cast<std::ptrdiff_t>(piece.size()));
    add_words(spaced, spaced.text);
  }

  void split_at_spaces(aligned_text const& normal, std::string_view whole) {
    parts_.split(whole, [&](std::string_view piece) {
      aligned_text const marked = mark_spaces(normal, piece);
      return parts_.spaces->for_each_word(marked.text, [&](std::string_view word) {
        add_word(marked, word);
        return true;
      });
    });
  }

  aligned_text mark_spaces(aligned_text const& normal, std::string_view piece) const {
    auto const letter = [&](std::size_t at) {
      return normal.origins[static_cast<std::size_t>(piece.data() - normal.text.data()) + at];
    };
    aligned_text marked;
    auto const put = [&marked](std::string_view bytes, byte_span origin) {
      marked.text += bytes;
      marked.origins.resize(marked.text.size(), origin);
    };
    if (parts_.spaces->prepends(piece, letter(0).begin == 0)) put(parts_.spaces->mark, letter(0));
    for (std::size_t at = 0; at < piece.size(); ++at)
      put(piece[at] == ' ' ? std::string_view(parts_.spaces->mark) : piece.substr(at, 1), letter(at));
    return marked;
  }

  void add_words(aligned_text const& normal, std::string_view piece) {
    parts_.split(piece, [&](std::string_view word) {
      add_word(normal, word);
      return true;
    });
  }

  void add_word(aligned_text const& normal, std::string_view word) {
    pieces_.clear();
    auto const* const by_prefix = std::get_if<wordpiece>(&parts_.model);
    auto const* const merges = std::get_if<byte_level::bpe>(&parts_.model);
    if (by_prefix != nullptr) {
      by_prefix->append(word, pieces_);
    } else if (merges != nullptr) {
      merges->append(word, pieces_, merges_);
    } else {
      std::get<unigram>(parts_.model).append(word, pieces_, scored_);
    }
    auto const prefix = count_letters(tokens_.continuing_prefix());
    bool first = true;
    for (auto const [id, bytes, last] : pieces_) {
      auto const part = word.substr(0, bytes);
      if (last) word.remove_prefix(bytes);
      token_place place{normal.origin_of(part), word_};
      if (by_prefix != nullptr) {
        place.letters = count_letters(part) + (first ? 0 : prefix);
      } else if (merges != nullptr) {
        count_spaces(part, place);
      } else {
        place.spaces_before = count_spaces_before(part);
        place.spaces_after = count_spaces_after(part);
      }
      first = false;
      found_.ids.push_back(id);
      found_.places.push_back(place);
    }
    ++word_;
  }

  // Of bytes, which need not be whole letters.
  static void count_spaces(std::string_view part, token_place& place) {
    auto const size = part.size();
    place.spaces_before = static_cast<std::uint32_t>(std::min(part.find_first_not_of(' '), size));
    auto const last = part.find_last_not_of(' ');
    place.spaces_after = static_cast<std::uint32_t>(last == part.npos ? size : size - 1 - last);
  }

  // An added token, which found `part`.
  void add_whole(std::int32_t id, byte_span bytes, std::string_view part) {
    auto const known = std::ranges::find(parts_.added, id, &added_token::id);
    auto const letters = known == parts_.added.end() ? 0 : count_letters(known->content);
    found_.ids.push_back(id);
    found_.places.push_back({bytes, word_++, letters, count_spaces_before(part), count_spaces_after(part)});
  }

  tokenizer const& tokens_;
  tokenizer_parts const& parts_;
  std::string_view text_;
  placed_tokens found_;
  std::vector<word_piece> pieces_;
  byte_level::bpe_scratch merges_;
  unigram_scratch scored_;
  std::uint32_t word_ = 0;
};

placed_tokens tokenizer::place(std::string_view text) const {
  if (auto const offset = find_invalid_utf8(text)) throw ml::invalid_utf8(*offset);
  return placer(*this, text).run();
}

void tokenizer::trim_spaces(std::string_view text, std::span<token_place> places) const {
  for (bool const keeps_one : parts_.trims) trim(text, keeps_one, places);
}

std::string_view tokenizer::continuing_prefix() const noexcept {
  auto const* const model = std::get_if<wordpiece>(&parts_.model);
  return model == nullptr ? std::string_view() : model->continuing_prefix();
}

}  // namespace yonder::kernels
