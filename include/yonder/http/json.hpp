// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include "yonder/detail/export.hpp"

// JSON (RFC 8259) as text that is hostile: read once, checked whole, and then looked at in place. Not for
// users.
namespace yonder::http::detail {

// What a JSON text may ask of whoever reads it.
struct json_limits {
  std::size_t bytes = std::size_t{64} << 20;
  std::size_t values = std::size_t{4} << 20;  // names of members count, too
  unsigned depth = 64;
  std::size_t digits = 1000;  // characters of one number
};

// A text that is no JSON, or not the value that was asked for. `pointer` (RFC 6901) says where:
// "/items/3/label".
class YONDER_API json_error : public std::runtime_error {
 public:
  json_error(std::string pointer, std::string const& words);
  json_error(json_error const&) = default;
  json_error& operator=(json_error const&) = default;
  ~json_error() override;
  std::string const& pointer() const noexcept { return pointer_; }

 private:
  std::string pointer_;
};

enum class json_kind : std::uint8_t { null, boolean, number, string, array, object };

// One value, or the name of a member, which precedes its value. Places are into json_document::nodes().
struct json_node {
  json_kind kind{};
  bool is_true = false;     // a boolean
  bool escaped = false;     // a string with escapes
  bool taken = false;       // the name of a member that was read
  std::uint32_t begin = 0;  // of a number or of a string's inside, in the text
  std::uint32_t size = 0;   // of it; of an array its elements, of an object its members
  std::uint32_t next = 0;   // the place behind this value and all that it holds
};

class json_document {
 public:
  // Throws json_error. The text must outlive the document.
  YONDER_API json_document(std::string_view text, json_limits const& limits);

  std::vector<json_node>& nodes() noexcept { return nodes_; }
  std::string_view text() const noexcept { return text_; }
  std::string_view text_of(json_node const& node) const { return text_.substr(node.begin, node.size); }
  // Of a string, without its escapes.
  YONDER_API std::string unescaped(json_node const& node) const;
  // Whether a string is `wanted`.
  YONDER_API bool equals(json_node const& node, std::string_view wanted) const;

 private:
  std::string_view text_;
  std::vector<json_node> nodes_;
};

// "a string", "an array": what was found.
YONDER_API std::string_view words_for(json_kind kind) noexcept;

// A number's text as an integer in [least, most]; 1.0 and 1e2 are integers, too. Throws json_error at
// `pointer`.
YONDER_API std::int64_t to_signed(std::string_view number, std::int64_t least, std::int64_t most);
YONDER_API std::uint64_t to_unsigned(std::string_view number, std::uint64_t most);
YONDER_API double to_double(std::string_view number);
YONDER_API float to_float(std::string_view number);

// A floating point number that JSON has no word for, as a string: "NaN", "Infinity", "-Infinity". False:
// none.
YONDER_API bool to_special(std::string_view text, double& value) noexcept;

// Base64 (RFC 4648, section 4). False: it is none.
YONDER_API bool from_base64(std::string_view text, std::vector<std::byte>& bytes);

// --- What is written.

// Throws json_error where the text is not UTF-8.
YONDER_API void append_string(std::string& out, std::string_view text);
YONDER_API void append_signed(std::string& out, std::int64_t value);
YONDER_API void append_unsigned(std::string& out, std::uint64_t value);
YONDER_API void append_double(std::string& out, double value);
YONDER_API void append_float(std::string& out, float value);
YONDER_API void append_base64(std::string& out, std::span<std::byte const> bytes);

// Whether all of it is UTF-8: no surrogates, no overlong forms.
YONDER_API bool is_utf8(std::string_view text) noexcept;

}  // namespace yonder::http::detail
