// SPDX-License-Identifier: Apache-2.0
#include <algorithm>

#include "model/normalizer.hpp"
#include "model/recomposer.hpp"
#include "model/unicode.hpp"

namespace yonder::kernels {
namespace {

using namespace unicode;

template <class Drop>
void drop_if(aligned_letters& letters, Drop&& drop) {
  std::erase_if(letters, [&](aligned_letter const& letter) { return drop(properties(letter.code)); });
}

void clean(aligned_letters& letters) {
  drop_if(letters, [](property_bits what) { return (what & dropped) != 0; });
  for (auto& letter : letters)
    if ((properties(letter.code) & whitespace) != 0) letter.code = ' ';
}

void isolate_chinese(aligned_letters& letters) {
  letter_rewriter to(letters);
  for (auto const& letter : letters) {
    if (!is_cjk(letter.code)) {
      to.replace(letter.code);
      continue;
    }
    to.replace(' ');
    to.insert(letter.code);
    to.insert(' ');
  }
  letters = std::move(to).take();
}

// Letters between two starters, in canonical order (The Unicode Standard, 3.11).
template <class To>
class pending_marks {
 public:
  explicit pending_marks(To& to) : to_(to) {}

  void put(char32_t code, bool first) {
    auto const order = combining_class(code);
    if (order == 0) flush();
    marks_.push_back({order, code, first});
    if (order == 0) flush();
  }
  void flush() {
    std::ranges::stable_sort(marks_, {}, &mark::order);
    for (auto const& each : marks_) to_.put(each.code, each.first ? 0 : 1);
    marks_.clear();
  }

 private:
  struct mark {
    std::uint8_t order;
    char32_t code;
    bool first;  // of those that its letter is taken apart into
  };

  To& to_;
  std::vector<mark> marks_;
};

template <class To>
void decompose_all(aligned_letters const& letters, To& to) {
  pending_marks marks(to);
  for (auto const& letter : letters) {
    bool first = true;
    decompose(letter.code, [&](char32_t part) {
      marks.put(part, first);
      first = false;
    });
  }
  marks.flush();
}

void decompose_all(aligned_letters& letters) {
  letter_rewriter to(letters);
  decompose_all(letters, to);
  letters = std::move(to).take();
}

void compose_all(aligned_letters& letters) {
  letter_rewriter to(letters);
  auto const write = [&to](char32_t code, int change) { to.put(code, change); };
  recomposer join(write);
  decompose_all(letters, join);
  join.flush();
  letters = std::move(to).take();
}

void lowercase_all(aligned_letters& letters) {
  letter_rewriter to(letters);
  for (auto const& letter : letters) {
    bool first = true;
    lowercase(letter.code, [&](char32_t lower) {
      if (first) {
        to.replace(lower);
      } else {
        to.insert(lower);
      }
      first = false;
    });
  }
  letters = std::move(to).take();
}

void normalize(bert_normalization const& how, aligned_letters& letters) {
  if (how.clean_text) clean(letters);
  if (how.handle_chinese_chars) isolate_chinese(letters);
  if (how.strip_accents) {
    decompose_all(letters);
    drop_if(letters, [](property_bits what) { return (what & nonspacing) != 0; });
  }
  if (how.lowercase) lowercase_all(letters);
}

std::size_t end_of_letter(std::string_view text, std::size_t at) noexcept {
  return at + decode(text.data() + at).bytes;
}

// What stands for a match has the origin of its last letter.
void replace_all(text_replacement const& what, aligned_letters& letters) {
  aligned_text const from(letters);
  std::string_view const text = from.text;
  aligned_letters const content = letters_of(what.content, 0);
  aligned_letters to;
  std::size_t at = 0;
  for (std::size_t next = 0; next < letters.size();) {
    auto const match = find_match(what, text, at);
    for (; at < match.begin; ++next) {
      to.push_back(letters[next]);
      at = end_of_letter(text, at);
    }
    if (match.begin == match.end) break;
    for (auto const& letter : content) to.push_back({letter.code, from.origins[match.end - 1]});
    for (; at < match.end; ++next) at = end_of_letter(text, at);
  }
  letters = std::move(to);
}

bool is_space(aligned_letter const& letter) noexcept { return (properties(letter.code) & whitespace) != 0; }

void strip_left(aligned_letters& letters) {
  letters.erase(letters.begin(), std::ranges::find_if_not(letters, is_space));
}

void strip_right(aligned_letters& letters) {
  while (!letters.empty() && is_space(letters.back())) letters.pop_back();
}

}  // namespace

void normalizer::operator()(aligned_letters& letters) const {
  std::size_t replaced = 0;
  for (auto const what : steps_) {
    switch (what) {
      case step::bert: normalize(bert_, letters); break;
      case step::nfd: decompose_all(letters); break;
      case step::nfc: compose_all(letters); break;
      case step::lowercase: lowercase_all(letters); break;
      case step::map: (*map_)(letters); break;
      case step::replace: replace_all(replacements_[replaced++], letters); break;
      case step::strip_left: strip_left(letters); break;
      case step::strip_right: strip_right(letters); break;
      case step::strip_accents:
        drop_if(letters, [](property_bits found) { return (found & combining_mark) != 0; });
        break;
    }
  }
}

}  // namespace yonder::kernels
