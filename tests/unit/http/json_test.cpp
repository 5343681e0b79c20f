// SPDX-License-Identifier: Apache-2.0
#include "yonder/http/json.hpp"

#include <doctest/doctest.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <random>
#include <string>
#include <vector>

namespace {

using namespace yonder::http::detail;

bool is_accepted(std::string_view text, json_limits const& limits = {}) {
  try {
    json_document const document(text, limits);
    return document.text() == text;
  } catch (json_error const&) {
    return false;
  }
}

std::string why_not(std::string_view text, json_limits const& limits = {}) {
  try {
    json_document const document(text, limits);
    return "";
  } catch (json_error const& error) {
    return error.what();
  }
}

std::string unescaped(std::string_view text) {
  json_document const document(text, {});
  return document.unescaped(const_cast<json_document&>(document).nodes()[0]);
}

std::string in_quotes(std::string_view text) {
  std::string out;
  append_string(out, text);
  return out;
}

}  // namespace

TEST_CASE("JSON is read as RFC 8259 says") {
  for (char const* good :
       {"null", " true ", "-0", "1e5", "1.5E-3", "[]", "{}", R"({"a":[1,{"b":null}],"c":""})",
        R"("\u00e4\ud83d\ude00\/")", "\"\xc3\xa4\xf0\x9f\x98\x80\"", "[1,\n2\t,\r3]"})
    CHECK_MESSAGE(is_accepted(good), good);
  for (char const* bad : {"",
                          " ",
                          "nul",
                          "tru e",
                          "01",
                          "-",
                          "1.",
                          ".5",
                          "1e",
                          "+1",
                          "[1,]",
                          "[1 2]",
                          "[",
                          "{",
                          "{\"a\"}",
                          "{\"a\":}",
                          "{a:1}",
                          "{\"a\":1,}",
                          "\"",
                          "\"\\x\"",
                          "\"\\u12g4\"",
                          "\"\\ud83d\"",
                          "\"\\ude00\"",
                          "\"\\ud83d\\u0041\"",
                          "\"\n\"",
                          "'a'",
                          "\"\xc0\xaf\"",
                          "\"\xed\xa0\x80\"",
                          "\"\xf5\x80\x80\x80\"",
                          "\"\xe2\x82\"",
                          "[1]]",
                          "1 2",
                          "NaN",
                          "// 1",
                          "\xef\xbb\xbf"
                          "1"})
    CHECK_MESSAGE(!is_accepted(bad), bad);
}

TEST_CASE("JSON is accepted exactly where another reader accepts it") {
  std::mt19937 random(7);
  std::vector<std::string> const seeds{R"({"a":[1,-2.5,true,false,null],"b":{"c":"d\u0041"}})",
                                       R"(["\ud83d\ude00","x\\y",[[]],{}])", "[0.125,10,-0,\"\xc3\xa4\"]"};
  std::string const alphabet = "{}[]:,\"\\u0129.-+ tfnad8\n\xc3\xa4";
  int accepted = 0;
  for (int i = 0; i < 20'000; ++i) {
    auto text = seeds[random() % seeds.size()];
    for (auto changes = random() % 3; changes > 0; --changes) {
      auto const at = random() % text.size();
      switch (random() % 3) {
        case 0: text[at] = alphabet[random() % alphabet.size()]; break;
        case 1: text.erase(at, 1); break;
        default: text.insert(at, 1, alphabet[random() % alphabet.size()]);
      }
    }
    bool const ours = is_accepted(text);
    accepted += ours;
    REQUIRE_MESSAGE(ours == nlohmann::json::accept(text), text);
  }
  CHECK(accepted > 1000);
  CHECK(accepted < 19'000);
}

TEST_CASE("limits of JSON are told in words") {
  CHECK(why_not(std::string(1001, '1')).find("the limit is 1000") != std::string::npos);
  CHECK(why_not(std::string(65, '[')).find("nested deeper than 64") != std::string::npos);
  CHECK(is_accepted(std::string(64, '[') + std::string(64, ']')));
  CHECK(why_not("[1,2,3]", {.values = 3}).find("more than 3 values") != std::string::npos);
  CHECK(why_not("[1,2,3]", {.bytes = 6}).find("7 bytes; the limit is 6") != std::string::npos);
  CHECK(why_not("[1,x]").find("malformed at byte 3") != std::string::npos);
}

TEST_CASE("strings of JSON lose their escapes and get them back") {
  CHECK(unescaped(R"("a\"\\\/\b\f\n\r\t\u0041\u00e4\ud83d\ude00z")") ==
        "a\"\\/\b\f\n\r\tA\xc3\xa4\xf0\x9f\x98\x80z");
  std::string all;
  for (int c = 0; c < 0x80; ++c) all += static_cast<char>(c);
  all += "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";
  CHECK(unescaped(in_quotes(all)) == all);
  CHECK(nlohmann::json::parse(in_quotes(all)).get<std::string>() == all);
  CHECK_THROWS_AS(in_quotes("a\xff"), json_error);
}

TEST_CASE("integers of JSON are exact, and refused out of range") {
  CHECK(to_signed("-9223372036854775808", std::numeric_limits<std::int64_t>::min(), 0) ==
        std::numeric_limits<std::int64_t>::min());
  CHECK(to_unsigned("18446744073709551615", ~std::uint64_t{0}) == ~std::uint64_t{0});
  CHECK(to_signed("1.0", 0, 10) == 1);
  CHECK(to_signed("1e1", 0, 10) == 10);
  CHECK(to_unsigned("-0", 10) == 0);
  CHECK(to_unsigned("9007199254740991.0", ~std::uint64_t{0}) == 9007199254740991U);
  // A double cannot tell it from its neighbour.
  for (char const* unsure : {"9007199254740993.0", "9007199254740992e0", "9.007199254740993e15"})
    CHECK_THROWS_AS(to_unsigned(unsure, ~std::uint64_t{0}), json_error);
  for (char const* bad : {"256", "-1", "1.5", "1e99", "99999999999999999999"})
    CHECK_THROWS_AS(to_unsigned(bad, 255), json_error);
  CHECK_THROWS_WITH_AS(to_signed("128", -128, 127), "expected an integer from -128 to 127, found 128",
                       json_error);
}

TEST_CASE("floating point numbers of JSON are read to the nearest, and come back") {
  for (double const value : {0.1, -1e-310, 1.7976931348623157e308, 5e-324, 123456789.125}) {
    std::string text;
    append_double(text, value);
    CHECK(to_double(text) == value);
  }
  CHECK(to_double("1e-400") == 0);
  CHECK(to_double("0.0000001e-400") == 0);
  CHECK(to_double("-0.0") == 0);
  CHECK_THROWS_AS(to_double("1e400"), json_error);
  CHECK_THROWS_AS(to_double(std::string(400, '9') + "e-5"), json_error);
  CHECK_THROWS_AS(to_float("1e39"), json_error);
  std::string special;
  append_double(special, std::numeric_limits<double>::infinity());
  CHECK(special == "\"Infinity\"");
  double value = 0;
  CHECK(to_special("-Infinity", value));
  CHECK(value == -std::numeric_limits<double>::infinity());
  CHECK(to_special("NaN", value));
  CHECK(std::isnan(value));
}

TEST_CASE("bytes are base64") {
  std::vector<std::byte> bytes;
  for (std::string const text : {"", "f", "fo", "foo", "foob", "fooba", "foobar"}) {
    std::string coded;
    append_base64(coded, std::as_bytes(std::span(text)));
    REQUIRE(from_base64(std::string_view(coded).substr(1, coded.size() - 2), bytes));
    CHECK(std::string(reinterpret_cast<char const*>(bytes.data()), bytes.size()) == text);
  }
  for (char const* bad :
       {"Z", "Zg", "Zg=", "Zh==", "Zm9=", "Z===", "Zg==Zg==", "Zm 9", "=m9v", "Zm9v\xc3\xa4"})
    CHECK_FALSE(from_base64(bad, bytes));
}
