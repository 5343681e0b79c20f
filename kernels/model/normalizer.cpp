// SPDX-License-Identifier: Apache-2.0
#include "model/normalizer.hpp"

#include <algorithm>

#include "model/ascii.hpp"
#include "model/recomposer.hpp"
#include "model/unicode.hpp"

namespace yonder::kernels {
namespace {

using namespace unicode;

// Puts code points in canonical order as they come (The Unicode Standard, 3.11): those between two starters
// are sorted by class, stably.
template <class Sink>
class canonical_order {
 public:
  explicit canonical_order(Sink& sink) : sink_(sink) {}

  void put(char32_t code) {
    std::uint8_t const order = combining_class(code);
    if (order != 0) {
      pending_.push_back({order, code});
      return;
    }
    flush();
    sink_(code);
  }

  void flush() {
    if (pending_.size() > 1) {
      std::stable_sort(pending_.begin(), pending_.end(),
                       [](auto const& a, auto const& b) { return a.order < b.order; });
    }
    for (auto const& each : pending_) sink_(each.code);
    pending_.clear();
  }

 private:
  struct mark {
    std::uint8_t order;
    char32_t code;
  };

  Sink& sink_;
  std::vector<mark> pending_;
};

template <class Each>
void for_each_code_point(std::string_view text, Each&& each) {
  for (char const *at = text.data(), *end = at + text.size(); at != end;) {
    auto const [code, bytes] = decode(at);
    each(code);
    at += bytes;
  }
}

// The code points of `text` in NFD, filtered and put into a string.
template <class Put>
void decompose_all(std::string_view text, Put&& put) {
  canonical_order<Put> order(put);
  for_each_code_point(text, [&](char32_t code) { decompose(code, [&](char32_t part) { order.put(part); }); });
  order.flush();
}

// Where the letters from `at` on end that NFC leaves as they are.
std::size_t end_of_composed(std::string_view text, std::size_t at) noexcept {
  constexpr unsigned char first_lead = 0xCC;  // of UTF-8, from first_composing on
  auto const changing = [](char byte) { return static_cast<unsigned char>(byte) >= first_lead; };
  auto const found = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), changing);
  auto const end = static_cast<std::size_t>(found - text.begin());
  if (end == text.size() || end == at) return end;
  return end - decode_before(text.data() + end).bytes;  // which may become one with what follows
}

// NFC of one letter and of those after it up to another one that NFC leaves as it is. Returns where they end.
template <class Put>
std::size_t compose_some(std::string_view text, std::size_t at, Put&& put) {
  auto const write = [&put](char32_t code, int) { put(code); };
  recomposer join(write);
  auto const part = [&join](char32_t code) { join.put(code, 0); };
  canonical_order order(part);
  bool first = true;
  for (; at < text.size(); first = false) {
    auto const [code, bytes] = decode(text.data() + at);
    if (!first && code < first_composing) break;
    decompose(code, [&](char32_t each) { order.put(each); });
    at += bytes;
  }
  order.flush();
  join.flush();
  return at;
}

void compose_all(std::string_view text, text_buffer& out) {
  for (std::size_t at = 0; at < text.size();) {
    std::size_t const end = end_of_composed(text, at);
    out.append(text.substr(at, end - at));
    at = end == text.size() ? end : compose_some(text, end, [&out](char32_t code) { out.put(code); });
  }
}

std::string replace_all(text_replacement const& what, std::string_view text) {
  std::string result;
  for (std::size_t at = 0; at < text.size();) {
    auto const match = find_match(what, text, at);
    result += text.substr(at, match.begin - at);
    if (match.begin < match.end) result += what.content;
    at = match.end;
  }
  return result;
}

// Bytes of whitespace.
std::size_t leading_space(std::string_view text) noexcept {
  std::size_t at = 0;
  while (at < text.size()) {
    auto const [code, bytes] = decode(text.data() + at);
    if ((properties(code) & whitespace) == 0) break;
    at += bytes;
  }
  return at;
}

std::size_t trailing_space(std::string_view text) noexcept {
  std::size_t end = text.size();
  while (end > 0) {
    auto const [code, bytes] = decode_before(text.data() + end);
    if ((properties(code) & whitespace) == 0) break;
    end -= bytes;
  }
  return text.size() - end;
}

// All four steps of BertNormalizer in one pass: each code point goes through clean, CJK, NFD and lower case,
// in this order, which is that of the original because only NFD looks at neighbours.
class bert_pass {
 public:
  // isolate: puts spaces round punctuation that is not ASCII.
  bert_pass(bert_normalization const& options, bool isolate, text_buffer& out)
      : options_(options), isolate_(isolate), out_(out), write_{*this}, order_(write_) {}

  void run(std::string_view text) {
    char const* const end = text.data() + text.size();
    for (char const* at = text.data(); at != end;) {
      if (static_cast<unsigned char>(*at) < 0x80) {
        order_.flush();
        at += ascii_run(at, static_cast<std::size_t>(end - at));
        continue;
      }
      auto const [code, bytes] = decode(at);
      other(code);
      at += bytes;
    }
    order_.flush();
  }

 private:
  struct writer {
    bert_pass& pass;
    void operator()(char32_t code) const { pass.write(code); }
  };

  // At least one byte, which is ASCII. Returns how many it took.
  std::size_t ascii_run(char const* text, std::size_t size) {
    std::size_t const plain = ascii::copy_clean(text, size, options_.lowercase, out_.room(size));
    if (plain != 0) {
      if (options_.clean_text) spaces_for_controls(plain);
      out_.advance(plain);
      return plain;
    }
    if (!options_.clean_text) out_.put(*text);
    return 1;
  }

  // Tabs and line ends among the bytes that were just written.
  void spaces_for_controls(std::size_t size) {
    if (isolate_) return;  // any of them parts words as a space does
    char* const begin = out_.room(size);
    std::replace_if(
        begin, begin + size, [](char c) { return c == '\t' || c == '\n' || c == '\r'; }, ' ');
  }

  void other(char32_t code) {
    property_bits const what = properties(code);
    if (options_.clean_text && (what & dropped) != 0) return;
    if (options_.clean_text && (what & whitespace) != 0) {
      order_.flush();
      out_.put(' ');
    } else if (options_.handle_chinese_chars && is_cjk(code)) {
      order_.flush();
      out_.put(' ');
      accents(code, what);
      order_.flush();
      out_.put(' ');
    } else {
      accents(code, what);
    }
  }

  void accents(char32_t code, property_bits what) {
    if (!options_.strip_accents) {
      write(code);
    } else if ((what & mapped) == 0) {
      order_.flush();
      write(code);
    } else {
      decompose(code, [this](char32_t part) { order_.put(part); });
    }
  }

  void write(char32_t code) {
    property_bits const what = properties(code);
    if (options_.strip_accents && (what & nonspacing) != 0) return;
    bool const alone = isolate_ && (what & punctuation) != 0;
    if (alone) out_.put(' ');
    if (options_.lowercase && (what & mapped) != 0) {
      lowercase(code, [this](char32_t lower) { out_.put(lower); });
    } else {
      out_.put(code);
    }
    if (alone) out_.put(' ');
  }

  bert_normalization const& options_;
  bool isolate_;
  text_buffer& out_;
  writer write_;
  canonical_order<writer> order_;
};

}  // namespace

byte_span find_match(text_replacement const& what, std::string_view text, std::size_t from) noexcept {
  std::size_t const begin = std::min(text.find(what.pattern ? *what.pattern : "  ", from), text.size());
  if (begin == text.size()) return {begin, begin};
  if (what.pattern) return {begin, begin + what.pattern->size()};
  return {begin, std::min(text.find_first_not_of(' ', begin), text.size())};
}

std::string normalizer::operator()(std::string_view text) const {
  if (steps_.empty()) return std::string(text);
  std::size_t replaced = 0;
  std::string result = apply(steps_.front(), text, replaced);
  for (std::size_t i = 1; i < steps_.size(); ++i) result = apply(steps_[i], result, replaced);
  return result;
}

void normalizer::lowercase_first() {
  if (std::ranges::find(steps_, step::lowercase) == steps_.end()) {
    steps_.insert(steps_.begin(), step::lowercase);
  }
}

std::string normalizer::apply(step what, std::string_view text, std::size_t& replaced) const {
  if (what == step::map) return (*map_)(text);
  if (what == step::replace) return replace_all(replacements_[replaced++], text);
  if (what == step::strip_left) return std::string(text.substr(leading_space(text)));
  if (what == step::strip_right) return std::string(text.substr(0, text.size() - trailing_space(text)));
  text_buffer out;
  out.room(text.size() + text.size() / 8);
  auto const put = [&out](char32_t code) { out.put(code); };
  switch (what) {
    case step::bert: bert_pass(bert_, false, out).run(text); break;
    case step::nfd: decompose_all(text, put); break;
    case step::nfc: compose_all(text, out); break;
    case step::lowercase: for_each_code_point(text, [&](char32_t code) { lowercase(code, put); }); break;
    case step::strip_accents:
      for_each_code_point(text, [&](char32_t code) {
        if ((properties(code) & combining_mark) == 0) put(code);
      });
      break;
    default: break;
  }
  return std::string(out.view());
}

std::optional<bert_normalization> normalizer::fusible() const noexcept {
  bool const alone = steps_.size() == 1 && steps_.front() == step::bert;
  return alone && bert_.clean_text ? std::optional(bert_) : std::nullopt;
}

void normalize_for_words(bert_normalization const& options, std::string_view text, text_buffer& out) {
  bert_pass(options, true, out).run(text);
}

}  // namespace yonder::kernels
