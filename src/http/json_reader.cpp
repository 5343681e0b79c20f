// SPDX-License-Identifier: Apache-2.0
#include "yonder/http/json_reader.hpp"

namespace yonder::http::detail {

void json_reader::fail(std::string const& words) const { throw json_error(pointer(), words); }

void json_reader::fail_kind(char const* expected) {
  fail(std::string("expected ") + expected + ", found " + std::string(words_for(here().kind)));
}

std::string json_reader::pointer() const {
  std::string text;
  for (auto const* one = scope_; one != nullptr; one = one->outer) {
    if (!one->reading) continue;
    std::string part = "/";
    if (!one->is_object) part += std::to_string(one->taken - 1);
    for (char const c : one->is_object ? one->name : std::string_view()) {
      if (c == '~' || c == '/')
        part += c == '~' ? "~0" : "~1";
      else
        part += c;
    }
    text.insert(0, part);
  }
  return text;
}

void json_reader::open(scope& one, bool as_object) {
  if (one.next != 0) return;
  auto const& whole = node(one.place);
  if (whole.kind != (as_object ? json_kind::object : json_kind::array))
    fail(std::string("expected ") + (as_object ? "an object" : "an array") + ", found " +
         std::string(words_for(whole.kind)));
  one.is_object = as_object;
  one.next = one.place + 1;
}

// From where the last one was found, once round.
std::uint32_t json_reader::find(scope& one, std::string_view name) {
  one.reading = false;
  auto const first = one.place + 1;
  auto const end = node(one.place).next;
  auto const from = one.next;
  auto const look = [&](std::uint32_t begin, std::uint32_t stop) {
    for (auto at = begin; at < stop; at = node(at + 1).next)
      if (!node(at).taken && document_.equals(node(at), name)) return at;
    return std::uint32_t{0};
  };
  auto found = look(from, end);
  if (found == 0) found = look(first, from);
  if (found == 0) return 0;
  node(found).taken = true;
  ++one.taken;
  one.next = node(found + 1).next;
  one.name = name;
  one.reading = true;
  return found + 1;
}

std::uint32_t json_reader::next_element(scope& one) {
  one.reading = false;
  if (one.taken == node(one.place).size)
    fail("expected more than " + std::to_string(one.taken) + (one.taken == 1 ? " element" : " elements"));
  ++one.taken;
  one.reading = true;
  return std::exchange(one.next, node(one.next).next);
}

void json_reader::finish(scope& closing) {
  closing.reading = false;
  auto const& whole = node(closing.place);
  if (closing.next == 0 && whole.kind != json_kind::object && whole.kind != json_kind::array)
    fail("expected an empty object, found " + std::string(words_for(whole.kind)));
  if (closing.taken == whole.size) return;
  if (whole.kind == json_kind::array)
    fail("expected " + std::to_string(closing.taken) + (closing.taken == 1 ? " element" : " elements") +
         ", found " + std::to_string(whole.size));
  auto at = closing.place + 1;
  while (node(at).taken) at = node(at + 1).next;
  auto const name = document_.unescaped(node(at));
  bool twice = false;
  for (auto other = closing.place + 1; other < whole.next; other = node(other + 1).next)
    twice = twice || (node(other).taken && document_.equals(node(other), name));
  closing.is_object = true;
  closing.name = name;
  closing.reading = true;
  fail("the member '" + name + "' is " + (twice ? "there twice" : "unknown"));
}

double json_reader::number_here() {
  double special = 0;
  if (here().kind == json_kind::string && to_special(document_.text_of(here()), special)) return special;
  expect(json_kind::number, "a number");
  try {
    return to_double(document_.text_of(here()));
  } catch (json_error const& error) {
    fail(error.what());
  }
}

float json_reader::float_here() {
  double special = 0;
  if (here().kind == json_kind::string && to_special(document_.text_of(here()), special))
    return static_cast<float>(special);
  expect(json_kind::number, "a number");
  try {
    return to_float(document_.text_of(here()));
  } catch (json_error const& error) {
    fail(error.what());
  }
}

std::string json_reader::text_here() {
  expect(json_kind::string, "a string");
  return document_.unescaped(here());
}

std::vector<std::byte> json_reader::bytes_here() {
  expect(json_kind::string, "a string of base64");
  std::vector<std::byte> bytes;
  if (!from_base64(here().escaped ? document_.unescaped(here()) : document_.text_of(here()), bytes))
    fail("the string is no base64 (RFC 4648, padded)");
  return bytes;
}

}  // namespace yonder::http::detail
