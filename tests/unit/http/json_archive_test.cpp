// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "tests/unit/codec/zoo.hpp"
#include "yonder/http.hpp"
#include "yonder/ml/question_answerer.hpp"
#include "yonder/ml/reranker.hpp"
#include "yonder/ml/text_classifier.hpp"
#include "yonder/ml/token_classifier.hpp"

namespace {

using namespace yonder::http::detail;

template <class T>
std::string written(T const& value) {
  std::string out;
  json_writer(out).put_here(value);
  return out;
}

template <class T>
T read(std::string_view text) {
  json_document document(text, {});
  json_reader reader(document, std::size_t{1} << 20);
  T value{};
  reader.get_at(0, value);
  return value;
}

// "/pointer: words" of what refuses the text.
template <class T>
std::string refusal(std::string_view text) {
  try {
    read<T>(text);
    return "none";
  } catch (json_error const& error) {
    return error.pointer() + ": " + error.what();
  }
}

template <class T>
void check_form(T const& value, std::string const& text) {
  CHECK(written(value) == text);
  CHECK(read<T>(text) == value);
  CHECK(nlohmann::json::accept(text));
}

struct sample {
  std::int8_t small = 0;
  std::vector<float> numbers;
  std::optional<int> maybe;
  bool operator==(sample const&) const = default;
};

template <class T>
nlohmann::json schema_of() {
  schema_set set;
  schema_reader reader(set);
  return nlohmann::json::parse(reader.schema_of<T>());
}

template <class T>
nlohmann::json class_schema() {
  schema_set set;
  schema_reader(set).schema_of<T>();
  return nlohmann::json::parse(set.schemas().begin()->second);
}

}  // namespace

namespace json_archive_tests {

struct lonely {
  std::string text;
  bool operator==(lonely const&) const = default;
};

}  // namespace json_archive_tests

// As JSON with its names; as bytes and as a structure no more than its members.
template <class T, class... M>
void check_named(T const& value, std::string_view text, std::string_view structure, M const&... members) {
  CHECK(written(value) == text);
  CHECK(read<T>(text) == value);
  CHECK(yonder::detail::structure_text<T>() == structure);
  yonder::detail::encoded whole, parts;
  yonder::detail::encode(whole, value);
  yonder::detail::encode(parts, members...);
  CHECK(std::ranges::equal(whole.head.bytes(), parts.head.bytes()));
}

TEST_CASE("what models take and return has the names of its members") {
  using namespace yonder::ml;
  check_named(label_score{"POSITIVE", 0.5F}, R"({"label":"POSITIVE","score":0.5})", "{str8 f32}",
              std::string("POSITIVE"), 0.5F);
  check_named(ranked_text{3, 0.5F}, R"({"index":3,"score":0.5})", "{u64 f32}", std::size_t{3}, 0.5F);
  check_named(entity{"PER", 0.5F, 1, 4}, R"({"label":"PER","score":0.5,"begin":1,"end":4})",
              "{str8 f32 u64 u64}", std::string("PER"), 0.5F, std::size_t{1}, std::size_t{4});
  check_named(answer{"Ada", 0.5F, 1, 4}, R"({"text":"Ada","score":0.5,"begin":1,"end":4})",
              "{str8 f32 u64 u64}", std::string("Ada"), 0.5F, std::size_t{1}, std::size_t{4});
  check_named(text_pair{"a", "b"}, R"({"first":"a","second":"b"})", "{str8 str8}", std::string("a"),
              std::string("b"));
}

TEST_CASE("members have the names that CEREAL_NVP gives them, or those of the aggregate") {
  check_form(json_archive_tests::lonely{"x"}, R"({"text":"x"})");
  check_form(zoo::by_member{"x", 0.5}, R"({"label":"x","score":0.5})");
  check_form(sample{-3, {1, 2.5}, 7}, R"({"small":-3,"numbers":[1,2.5],"maybe":7})");
  check_form(zoo::reading{1, "m"}, R"({"value":1,"unit":"m"})");
  check_form(zoo::family{40, {{7, {}}}}, R"({"age":40,"children":[{"age":7,"children":[]}]})");
}

TEST_CASE("members come in any order, and those that may be null may be left out") {
  CHECK(read<sample>(R"({"numbers":[],"small":1})") == sample{1, {}, {}});
  CHECK(read<sample>(R"({"maybe":null,"numbers":[1],"small":1})") == sample{1, {1}, {}});
}

TEST_CASE("what has no names is an array") {
  check_form(zoo::by_function{1, 2}, "[1,2]");
  check_form(zoo::with_member_split({1, 2}), "[[1,2]]");
  check_form(zoo::versioned{1, 3}, "[1,3]");
  check_form(zoo::nothing{}, "{}");
}

TEST_CASE("minimal forms and enumerations are their values") {
  check_form(zoo::with_member_minimal{"t"}, "\"t\"");
  check_form(zoo::with_free_minimal{90}, "90");
  check_form(zoo::color::blue, "2");
  check_form(zoo::mood::glad, "\"glad\"");
  CHECK(refusal<zoo::with_free_minimal>("400").find("an angle beyond") != std::string::npos);
}

TEST_CASE("members of base classes stand beside those of the class") {
  zoo::derived value;
  value.id = 3;
  value.name = "n";
  check_form(value, R"({"id":3,"name":"n"})");
  zoo::diamond both;
  both.id = 4;
  check_form(both, R"({"id":4})");
}

TEST_CASE("containers of the standard library have the forms that one expects") {
  using strings = std::map<std::string, int>;
  check_form(strings{{"a", 1}, {"b\"", 2}}, R"({"a":1,"b\"":2})");
  using numbers = std::map<int, std::string>;
  check_form(numbers{{1, "x"}}, R"([{"key":1,"value":"x"}])");
  check_form(std::set<int>{1, 2}, "[1,2]");
  check_form(std::list<std::string>{"a", "b"}, R"(["a","b"])");
  check_form(std::deque<int>{1}, "[1]");
  check_form(std::tuple<int, std::string, bool>{1, "a", true}, R"([1,"a",true])");
  check_form(std::pair<int, double>{1, 2.5}, "[1,2.5]");
  check_form(std::array<int, 3>{1, 2, 3}, "[1,2,3]");
  check_form(std::vector<bool>{true, false}, "[true,false]");
  check_form(std::vector<std::vector<int>>{{}, {1}, {}}, "[[],[1],[]]");
  check_form(std::bitset<4>(5), "\"0101\"");
  check_form(std::optional<int>{}, "null");
  check_form(std::optional<std::optional<int>>{std::optional<int>()}, "[null]");
  check_form(std::optional<std::optional<int>>{}, "[]");
  check_form(std::variant<int, std::string>{"a"}, R"({"index":1,"value":"a"})");
  check_form(std::chrono::milliseconds(5), R"({"count":5})");
  check_form(std::complex<float>(1, 2), R"({"real":1,"imag":2})");
  CHECK(*read<std::unique_ptr<int>>("7") == 7);
  CHECK(read<std::unique_ptr<zoo::without_default>>("[7]")->value() == 7);
  CHECK(written(read<zoo::chain>("[1,[2,null]]")) == "[1,[2,null]]");
}

TEST_CASE("vectors and arrays of bytes are base64") {
  check_form(std::vector<unsigned char>{'f', 'o', 'o'}, "\"Zm9v\"");
  check_form(std::vector<std::byte>{std::byte{'f'}}, "\"Zg==\"");
  check_form(std::array<std::uint8_t, 2>{'f', 'o'}, "\"Zm8=\"");
  CHECK(refusal<std::array<std::uint8_t, 2>>("\"Zg==\"") == ": expected base64 of 2 bytes");
  CHECK(refusal<std::vector<std::byte>>("\"Z\"") == ": the string is no base64 (RFC 4648, padded)");
}

TEST_CASE("what does not fit is refused with its place, what was expected and what was found") {
  CHECK(refusal<sample>(R"({"small":"x","numbers":[]})") == "/small: expected an integer, found a string");
  CHECK(refusal<sample>(R"({"small":300,"numbers":[]})") ==
        "/small: expected an integer from -128 to 127, found 300");
  CHECK(refusal<sample>(R"({"small":1,"numbers":[1,true]})") ==
        "/numbers/1: expected a number, found a boolean");
  CHECK(refusal<sample>(R"({"small":1,"numbers":[],"other":1})") == "/other: the member 'other' is unknown");
  CHECK(refusal<sample>(R"({"small":1,"small":1,"numbers":[]})") ==
        "/small: the member 'small' is there twice");
  CHECK(refusal<sample>(R"({"numbers":[]})") == ": the member 'small' is missing");
  CHECK(refusal<sample>("[1]") == ": expected an object, found an array");
  CHECK(refusal<std::vector<sample>>(R"([{"small":1,"numbers":[]},{"small":1,"numbers":{}}])") ==
        "/1/numbers: expected an array, found an object");
  using strings = std::map<std::string, int>;
  CHECK(refusal<strings>(R"({"a/b~":"x"})") == "/a~1b~0: expected an integer, found a string");
  CHECK(refusal<strings>(R"({"a":1,"a":2})") == ": the member 'a' is there twice");
  using pair = std::pair<int, int>;
  CHECK(refusal<pair>("[1]") == ": expected more than 1 element");
  CHECK(refusal<pair>("[1,2,3]") == ": expected 2 elements, found 3");
  CHECK(refusal<zoo::by_function>("[1,2,3]") == ": expected 2 elements, found 3");
  using either = std::variant<int, bool>;
  CHECK(refusal<either>(R"({"index":2,"value":1})") == ": the index is 2; the last is 1");
  CHECK(refusal<zoo::nothing>("1") == ": expected an empty object, found a number");
  CHECK(refusal<zoo::nothing>(R"({"a":1})") == "/a: the member 'a' is unknown");
}

TEST_CASE("a few bytes do not take much memory") {
  using large = std::array<double, 1024>;
  CHECK(refusal<std::vector<std::optional<large>>>("[" + [] {
          std::string nulls;
          for (int i = 0; i < 1000; ++i) nulls += i == 0 ? "null" : ",null";
          return nulls;
        }() + "]") == ": it would take more memory than its size allows");
}

TEST_CASE("text that is not UTF-8 cannot be said in JSON") {
  CHECK_THROWS_WITH_AS(written(std::string("\xff")),
                       "the text is not UTF-8; bytes travel as std::vector<std::byte>", json_error);
}

TEST_CASE("schemas say what is read") {
  CHECK(schema_of<std::int8_t>() ==
        nlohmann::json::parse(R"({"type":"integer","minimum":-128,"maximum":127})"));
  CHECK(schema_of<std::vector<std::string>>() ==
        nlohmann::json::parse(R"({"type":"array","items":{"type":"string"}})"));
  CHECK(schema_of<std::list<int>>()["items"]["type"] == "integer");
  CHECK(schema_of<std::optional<bool>>() ==
        nlohmann::json::parse(R"({"anyOf":[{"type":"boolean"},{"type":"null"}]})"));
  auto const of_sample = class_schema<sample>();
  CHECK(of_sample["properties"].size() == 3);
  CHECK(of_sample["required"] == nlohmann::json::parse(R"(["small","numbers"])"));
  CHECK(of_sample["additionalProperties"] == false);
  CHECK(class_schema<zoo::by_function>()["prefixItems"].size() == 2);
  CHECK(class_schema<zoo::family>()["properties"]["children"]["items"]["$ref"] ==
        "#/components/schemas/zoo.family");
  CHECK(class_schema<zoo::derived>()["properties"].size() == 2);
}
