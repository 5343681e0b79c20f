// SPDX-License-Identifier: Apache-2.0
#include "yonder/http/json.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cmath>
#include <limits>
#include <utility>

namespace yonder::http::detail {
namespace {

constexpr std::string_view not_utf8 = "the text is not UTF-8";

// How many bytes the UTF-8 character at the front of `text` has; 0: none is there.
std::size_t character_size(std::string_view text) noexcept {
  auto const byte = [&](std::size_t at) { return static_cast<unsigned char>(text[at]); };
  auto const lead = byte(0);
  std::size_t const size = lead < 0x80   ? 1
                           : lead < 0xc2 ? 0
                           : lead < 0xe0 ? 2
                           : lead < 0xf0 ? 3
                           : lead < 0xf5 ? 4
                                         : 0;
  if (size == 0 || size > text.size()) return 0;
  for (std::size_t i = 1; i < size; ++i)
    if ((byte(i) & 0xc0U) != 0x80) return 0;
  if (lead == 0xe0 && byte(1) < 0xa0) return 0;   // overlong
  if (lead == 0xed && byte(1) >= 0xa0) return 0;  // a surrogate
  if (lead == 0xf0 && byte(1) < 0x90) return 0;   // overlong
  if (lead == 0xf4 && byte(1) >= 0x90) return 0;  // past U+10FFFF
  return size;
}

constexpr std::uint32_t no_digits = ~std::uint32_t{0};

// Of four hexadecimal digits.
std::uint32_t hexadecimal(std::string_view digits) noexcept {
  std::uint32_t value = 0;
  if (digits.size() < 4) return no_digits;
  auto const [end, error] = std::from_chars(digits.data(), digits.data() + 4, value, 16);
  return error == std::errc() && end == digits.data() + 4 ? value : no_digits;
}

bool is_high_surrogate(std::uint32_t unit) noexcept { return unit >= 0xd800 && unit < 0xdc00; }
bool is_low_surrogate(std::uint32_t unit) noexcept { return unit >= 0xdc00 && unit < 0xe000; }

void append_utf8(std::string& out, std::uint32_t point) {
  auto const put = [&](std::uint32_t byte) { out += static_cast<char>(byte); };
  if (point < 0x80) return put(point);
  if (point < 0x800) return put(0xc0 | point >> 6U), put(0x80 | (point & 63U));
  if (point < 0x10000) {
    put(0xe0 | point >> 12U);
  } else {
    put(0xf0 | point >> 18U);
    put(0x80 | (point >> 12U & 63U));
  }
  put(0x80 | (point >> 6U & 63U));
  put(0x80 | (point & 63U));
}

class parser {
 public:
  parser(std::string_view text, json_limits const& limits, std::vector<json_node>& nodes)
      : text_(text), limits_(limits), nodes_(nodes) {}

  void read_all() {
    skip_space();
    read_value();
    skip_space();
    if (at_ != text_.size()) fail("text behind the end of the JSON value");
  }

 private:
  [[noreturn]] void fail(std::string const& words) const {
    throw json_error("", "the JSON is malformed at byte " + std::to_string(at_) + ": " + words);
  }
  [[noreturn]] static void refuse(std::string const& words) { throw json_error("", words); }

  char peek() const noexcept { return at_ < text_.size() ? text_[at_] : '\0'; }
  void skip_space() noexcept {
    while (peek() == ' ' || peek() == '\n' || peek() == '\r' || peek() == '\t') ++at_;
  }
  void expect(char wanted) {
    if (peek() != wanted) fail(std::string("expected '") + wanted + "'");
    ++at_;
  }

  std::uint32_t add(json_kind kind) {
    if (nodes_.size() == limits_.values)
      refuse("the JSON has more than " + std::to_string(limits_.values) + " values");
    nodes_.push_back({.kind = kind, .next = static_cast<std::uint32_t>(nodes_.size() + 1)});
    return static_cast<std::uint32_t>(nodes_.size() - 1);
  }

  void read_value() {
    switch (peek()) {
      case '{': return read_object();
      case '[': return read_array();
      case '"': return read_string();
      case 't': return read_word("true", json_kind::boolean);
      case 'f': return read_word("false", json_kind::boolean);
      case 'n': return read_word("null", json_kind::null);
      default: return read_number();
    }
  }

  void read_word(std::string_view word, json_kind kind) {
    if (text_.substr(at_, word.size()) != word) fail("expected a value");
    nodes_[add(kind)].is_true = word == "true";
    at_ += word.size();
  }

  std::size_t skip_digits() noexcept {
    auto const begin = at_;
    while (peek() >= '0' && peek() <= '9') ++at_;
    return at_ - begin;
  }

  void read_number() {
    auto const begin = at_;
    if (peek() == '-') ++at_;
    bool const zero = peek() == '0';
    auto const digits = skip_digits();
    if (digits == 0) fail(at_ == begin ? "expected a value" : "a number without digits");
    if (zero && digits > 1) fail("a number with a leading zero");
    if (peek() == '.' && (++at_, skip_digits() == 0)) fail("a number without digits behind its point");
    if (peek() == 'e' || peek() == 'E') {
      ++at_;
      if (peek() == '+' || peek() == '-') ++at_;
      if (skip_digits() == 0) fail("a number without digits in its exponent");
    }
    if (at_ - begin > limits_.digits)
      refuse("a number of " + std::to_string(at_ - begin) + " characters; the limit is " +
             std::to_string(limits_.digits));
    set_text(add(json_kind::number), begin, at_);
  }

  void set_text(std::uint32_t place, std::size_t begin, std::size_t end) {
    nodes_[place].begin = static_cast<std::uint32_t>(begin);
    nodes_[place].size = static_cast<std::uint32_t>(end - begin);
  }

  void read_string() {
    auto const place = add(json_kind::string);
    auto const begin = ++at_;
    for (;;) {
      auto const c = static_cast<unsigned char>(peek());
      if (at_ >= text_.size()) fail("a string without an end");
      if (c == '"') break;
      if (c < 0x20) fail("a control character within a string, which has to be escaped");
      if (c == '\\') {
        nodes_[place].escaped = true;
        read_escape();
      } else if (c < 0x80) {
        ++at_;
      } else {
        auto const size = character_size(text_.substr(at_));
        if (size == 0) fail(std::string(not_utf8));
        at_ += size;
      }
    }
    set_text(place, begin, at_);
    ++at_;
  }

  void read_escape() {
    ++at_;
    if (peek() != 'u') {
      if (at_ >= text_.size() || std::string_view("\"\\/bfnrt").find(peek()) == std::string_view::npos)
        fail("an unknown escape within a string");
      ++at_;
      return;
    }
    auto const unit = hexadecimal(text_.substr(at_ + 1));
    if (unit == no_digits) fail("\\u without four hexadecimal digits");
    at_ += 5;
    if (is_low_surrogate(unit)) fail("half of a surrogate pair");
    if (!is_high_surrogate(unit)) return;
    if (text_.substr(at_, 2) != "\\u" || !is_low_surrogate(hexadecimal(text_.substr(at_ + 2))))
      fail("half of a surrogate pair");
    at_ += 6;
  }

  void enter() {
    ++at_;
    if (++depth_ > limits_.depth)
      refuse("the JSON is nested deeper than " + std::to_string(limits_.depth) + " levels");
    skip_space();
  }

  // Behind an element: whether another one follows.
  bool goes_on(char end) {
    skip_space();
    if (peek() == end) return false;
    if (peek() != ',') fail(std::string("expected ',' or '") + end + "'");
    ++at_;
    skip_space();
    return true;
  }

  void leave(std::uint32_t place, std::uint32_t count) {
    ++at_;
    --depth_;
    nodes_[place].size = count;
    nodes_[place].next = static_cast<std::uint32_t>(nodes_.size());
  }

  void read_array() {
    auto const place = add(json_kind::array);
    std::uint32_t count = 0;
    enter();
    if (peek() != ']') {
      do {
        read_value();
        ++count;
      } while (goes_on(']'));
    }
    leave(place, count);
  }

  void read_object() {
    auto const place = add(json_kind::object);
    std::uint32_t count = 0;
    enter();
    if (peek() != '}') {
      do {
        if (peek() != '"') fail("expected the name of a member");
        read_string();
        skip_space();
        expect(':');
        skip_space();
        read_value();
        ++count;
      } while (goes_on('}'));
    }
    leave(place, count);
  }

  std::string_view text_;
  json_limits const& limits_;
  std::vector<json_node>& nodes_;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
};

[[noreturn]] void out_of_range(std::string_view number, std::string const& least, std::string const& most) {
  throw json_error("", "expected an integer from " + least + " to " + most + ", found " +
                           std::string(number.substr(0, 40)));
}

// Whether `number` is an integer in another spelling: 1.0, 1e2. It is exact below 2⁵³.
bool is_spelled_integer(std::string_view number, double& value) {
  constexpr double first_inexact = 9007199254740992.0;  // it may have been the next
  value = to_double(number);
  return value == std::trunc(value) && std::fabs(value) < first_inexact;
}

template <class Integer>
bool parse_integer(std::string_view number, Integer& value) noexcept {
  auto const [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  return error == std::errc() && end == number.data() + number.size();
}

// Of a number beyond what floating point can hold: whether it is too small, not too large. The place of its
// first digit that is not 0 says so.
bool is_tiny(std::string_view number) noexcept {
  auto const mantissa = number.substr(0, number.find_first_of("eE"));
  auto const point = std::min(mantissa.find('.'), mantissa.size());
  auto const first = mantissa.find_first_of("123456789");
  if (first == mantissa.npos) return true;
  auto place = static_cast<std::int64_t>(point) - static_cast<std::int64_t>(first);
  if (mantissa.size() == number.size()) return place <= 0;
  auto exponent = number.substr(mantissa.size() + 1);
  bool const negative = exponent.starts_with('-');
  if (negative || exponent.starts_with('+')) exponent.remove_prefix(1);
  std::int32_t value = 0;
  if (!parse_integer(exponent, value)) return negative;
  return place + (negative ? -value : value) <= 0;
}

template <class Float>
Float parse_float(std::string_view number) {
  Float value{};
  auto const [end, error] = std::from_chars(number.data(), number.data() + number.size(), value);
  if (error == std::errc() && end == number.data() + number.size()) return value;
  if (is_tiny(number)) return Float{0};
  throw json_error("", "the number " + std::string(number.substr(0, 40)) + " is too large for " +
                           (sizeof(Float) == 4 ? "a float" : "a double"));
}

template <class Number>
void append_number(std::string& out, Number value) {
  std::array<char, 40> text{};
  auto const end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
  out.append(text.data(), end);
}

template <class Float>
void append_floating(std::string& out, Float value) {
  if (std::isnan(value))
    out += "\"NaN\"";
  else if (std::isinf(value))
    out += value < 0 ? "\"-Infinity\"" : "\"Infinity\"";
  else
    append_number(out, value);
}

constexpr std::string_view base64_alphabet =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
constexpr std::uint8_t no_sextet = 64;

constexpr auto sextets = [] {
  std::array<std::uint8_t, 256> values{};
  values.fill(no_sextet);
  for (std::size_t i = 0; i < base64_alphabet.size(); ++i)
    values[static_cast<unsigned char>(base64_alphabet[i])] = static_cast<std::uint8_t>(i);
  return values;
}();

}  // namespace

json_error::json_error(std::string pointer, std::string const& words)
    : std::runtime_error(words), pointer_(std::move(pointer)) {}
json_error::~json_error() = default;

json_document::json_document(std::string_view text, json_limits const& limits) : text_(text) {
  constexpr std::size_t most = std::numeric_limits<std::uint32_t>::max() / 2;
  if (text.size() > std::min(limits.bytes, most))
    throw json_error("", "the JSON has " + std::to_string(text.size()) + " bytes; the limit is " +
                             std::to_string(std::min(limits.bytes, most)));
  parser(text, limits, nodes_).read_all();
}

std::string json_document::unescaped(json_node const& node) const {
  auto rest = text_of(node);
  if (!node.escaped) return std::string(rest);
  std::string plain;
  plain.reserve(rest.size());
  while (!rest.empty()) {
    auto const stop = std::min(rest.find('\\'), rest.size());
    plain.append(rest.substr(0, stop));
    rest.remove_prefix(stop);
    if (rest.empty()) break;
    if (rest[1] != 'u') {
      constexpr std::string_view names = "bfnrt";
      auto const found = names.find(rest[1]);
      plain += found == names.npos ? rest[1] : "\b\f\n\r\t"[found];
      rest.remove_prefix(2);
      continue;
    }
    auto point = hexadecimal(rest.substr(2));
    rest.remove_prefix(6);
    if (is_high_surrogate(point)) {
      point = 0x10000 + ((point - 0xd800) << 10U) + (hexadecimal(rest.substr(2)) - 0xdc00);
      rest.remove_prefix(6);
    }
    append_utf8(plain, point);
  }
  return plain;
}

bool json_document::equals(json_node const& node, std::string_view wanted) const {
  return node.escaped ? unescaped(node) == wanted : text_of(node) == wanted;
}

std::string_view words_for(json_kind kind) noexcept {
  switch (kind) {
    case json_kind::null: return "null";
    case json_kind::boolean: return "a boolean";
    case json_kind::number: return "a number";
    case json_kind::string: return "a string";
    case json_kind::array: return "an array";
    case json_kind::object: return "an object";
  }
  return "nothing";
}

std::int64_t to_signed(std::string_view number, std::int64_t least, std::int64_t most) {
  std::int64_t value = 0;
  double spelled = 0;
  if (!parse_integer(number, value)) {
    if (number.find_first_of(".eE") == number.npos || !is_spelled_integer(number, spelled))
      out_of_range(number, std::to_string(least), std::to_string(most));
    value = static_cast<std::int64_t>(spelled);
  }
  if (value < least || value > most) out_of_range(number, std::to_string(least), std::to_string(most));
  return value;
}

std::uint64_t to_unsigned(std::string_view number, std::uint64_t most) {
  std::uint64_t value = 0;
  double spelled = 0;
  if (!parse_integer(number, value)) {
    bool const is_other_zero = number == "-0";
    if (!is_other_zero &&
        (number.find_first_of(".eE") == number.npos || !is_spelled_integer(number, spelled) || spelled < 0))
      out_of_range(number, "0", std::to_string(most));
    value = static_cast<std::uint64_t>(spelled);
  }
  if (value > most) out_of_range(number, "0", std::to_string(most));
  return value;
}

double to_double(std::string_view number) { return parse_float<double>(number); }
float to_float(std::string_view number) { return parse_float<float>(number); }

bool to_special(std::string_view text, double& value) noexcept {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  if (text == "NaN") return value = std::numeric_limits<double>::quiet_NaN(), true;
  if (text == "Infinity") return value = infinity, true;
  if (text == "-Infinity") return value = -infinity, true;
  return false;
}

bool from_base64(std::string_view text, std::vector<std::byte>& bytes) {
  bytes.clear();
  if (text.size() % 4 != 0) return false;
  bytes.reserve(text.size() / 4 * 3);
  for (std::size_t at = 0; at < text.size(); at += 4) {
    auto const group = text.substr(at, 4);
    std::size_t const padding = at + 4 < text.size()    ? 0
                                : group.ends_with("==") ? 2
                                : group.ends_with('=')  ? 1
                                                        : 0;
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 4; ++i) {
      auto const value = i < 4 - padding ? sextets[static_cast<unsigned char>(group[i])] : std::uint8_t{0};
      if (value == no_sextet) return false;
      bits = bits << 6U | value;
    }
    if ((padding == 1 && (bits & 0xffU) != 0) || (padding == 2 && (bits & 0xffffU) != 0)) return false;
    for (std::size_t i = 0; i < 3 - padding; ++i)
      bytes.push_back(static_cast<std::byte>(bits >> (16U - 8U * i)));
  }
  return true;
}

void append_string(std::string& out, std::string_view text) {
  out += '"';
  while (!text.empty()) {
    auto const c = static_cast<unsigned char>(text.front());
    if (c >= 0x20 && c < 0x80 && c != '"' && c != '\\') {
      std::size_t plain = 1;
      while (plain < text.size() && static_cast<unsigned char>(text[plain]) >= 0x20 &&
             static_cast<unsigned char>(text[plain]) < 0x80 && text[plain] != '"' && text[plain] != '\\')
        ++plain;
      out.append(text.substr(0, plain));
      text.remove_prefix(plain);
      continue;
    }
    auto const size = character_size(text);
    if (size == 0) throw json_error("", std::string(not_utf8) + "; bytes travel as std::vector<std::byte>");
    if (size > 1) {
      out.append(text.substr(0, size));
    } else if (c == '"' || c == '\\') {
      out += '\\';
      out += static_cast<char>(c);
    } else if (auto const named = std::string_view("\b\f\n\r\t").find(static_cast<char>(c));
               named != text.npos) {
      out += '\\';
      out += "bfnrt"[named];
    } else {
      constexpr std::string_view digits = "0123456789abcdef";
      out += "\\u00";
      out += digits[c >> 4U];
      out += digits[c & 15U];
    }
    text.remove_prefix(size);
  }
  out += '"';
}

void append_signed(std::string& out, std::int64_t value) { append_number(out, value); }
void append_unsigned(std::string& out, std::uint64_t value) { append_number(out, value); }
void append_double(std::string& out, double value) { append_floating(out, value); }
void append_float(std::string& out, float value) { append_floating(out, value); }

void append_base64(std::string& out, std::span<std::byte const> bytes) {
  out += '"';
  for (std::size_t at = 0; at < bytes.size(); at += 3) {
    auto const count = std::min<std::size_t>(3, bytes.size() - at);
    std::uint32_t bits = 0;
    for (std::size_t i = 0; i < 3; ++i)
      bits = bits << 8U | (i < count ? std::to_integer<std::uint32_t>(bytes[at + i]) : 0U);
    for (std::size_t i = 0; i < 4; ++i)
      out += i <= count ? base64_alphabet[bits >> (18U - 6U * i) & 63U] : '=';
  }
  out += '"';
}

bool is_utf8(std::string_view text) noexcept {
  while (!text.empty()) {
    auto const size = character_size(text);
    if (size == 0) return false;
    text.remove_prefix(size);
  }
  return true;
}

}  // namespace yonder::http::detail
