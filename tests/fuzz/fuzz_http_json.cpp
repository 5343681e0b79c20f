// SPDX-License-Identifier: Apache-2.0
//
// JSON that is hostile. An input is: which type (1 byte), and the text. Whatever it is, reading throws
// nothing but json_error, and what was read is written as text that reads to the same.
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <string_view>

#include "tests/unit/codec/zoo.hpp"
#include "yonder/http.hpp"

namespace {

using namespace yonder::http::detail;

void require(bool holds, char const* what) {
  if (holds) return;
  std::fprintf(stderr, "violated: %s\n", what);
  std::abort();
}

template <class T>
void try_type(std::string_view text) {
  std::string first;
  try {
    json_document document(text, {.values = 10'000});
    json_reader reader(document, std::size_t{1} << 20);
    T value{};
    reader.get_at(0, value);
    json_writer(first).put_here(value);
  } catch (json_error const& error) {
    require(is_utf8(error.pointer()), "a pointer is text");
    return;
  }
  std::string second;
  try {
    json_document document(first, {});
    json_reader reader(document, std::size_t{64} << 20);
    T value{};
    reader.get_at(0, value);
    json_writer(second).put_here(value);
  } catch (json_error const&) {
    require(false, "what was written is read");
  }
  require(first == second, "what was written reads to the same");
}

using variants = std::variant<int, std::string, std::optional<zoo::reading>>;
using text_maps = std::map<std::string, std::vector<zoo::by_member>>;
using maps = std::map<std::int8_t, std::set<std::string>>;
using bytes = std::vector<std::byte>;
using floats = std::vector<float>;
using nested = std::optional<std::optional<std::vector<double>>>;

constexpr std::array<void (*)(std::string_view), 16> types{
    try_type<zoo::station>, try_type<zoo::family>,     try_type<variants>,         try_type<text_maps>,
    try_type<maps>,         try_type<bytes>,           try_type<floats>,           try_type<nested>,
    try_type<zoo::chain>,   try_type<zoo::derived>,    try_type<zoo::versioned>,   try_type<zoo::raw_block>,
    try_type<zoo::sixteen>, try_type<std::list<bool>>, try_type<zoo::by_function>, try_type<std::bitset<5>>};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  if (size == 0) return 0;
  types[data[0] % types.size()]({reinterpret_cast<char const*>(data + 1), size - 1});
  return 0;
}
