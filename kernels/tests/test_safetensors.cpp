// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <cstring>
#include <string>

#include "model/json.hpp"
#include "model/safetensors.hpp"
#include "yonder/ml/errors.hpp"

namespace {

using namespace yonder;
using namespace yonder::kernels;

std::string file_of(std::string const& header, std::size_t data_bytes) {
  std::uint64_t const length = header.size();
  std::string file(sizeof length, '\0');
  std::memcpy(file.data(), &length, sizeof length);
  return file + header + std::string(data_bytes, '\x01');
}

tensor_map parse(std::string const& file) {
  return parse_safetensors(std::as_bytes(std::span(file.data(), file.size())), "test.safetensors");
}

tensor_map parse_header(std::string const& header, std::size_t data_bytes) {
  return parse(file_of(header, data_bytes));
}

std::string tensor(std::string const& type, std::string const& shape, std::string const& offsets) {
  return R"({"dtype":")" + type + R"(","shape":)" + shape + R"(,"data_offsets":)" + offsets + "}";
}

}  // namespace

TEST_CASE("tensors are found where the header says, whatever their order and alignment") {
  std::string const header = R"({"__metadata__":{"format":"pt"},"b":)" + tensor("F32", "[2,1]", "[3,11]") +
                             R"(,"a":)" + tensor("U8", "[3]", "[0,3]") + R"(,"empty":)" +
                             tensor("F16", "[0,7]", "[11,11]") + R"(,"scalar":)" +
                             tensor("BF16", "[]", "[11,13]") + "}  ";
  std::string const file = file_of(header, 13);
  auto const tensors = parse(file);
  REQUIRE(tensors.size() == 4);
  auto const& b = tensors.at("b");
  CHECK(b.type == data_type::f32);
  CHECK(b.shape == std::vector<std::uint64_t>{2, 1});
  CHECK(b.bytes.size() == 8);
  CHECK(tensors.at("a").type == data_type::other);
  CHECK(tensors.at("empty").bytes.empty());
  CHECK(tensors.at("scalar").bytes.size() == 2);
}

TEST_CASE("a file that is cut anywhere is refused as truncated or malformed") {
  std::string const whole = file_of(R"({"a":)" + tensor("F32", "[2]", "[0,8]") + "}", 8);
  CHECK_NOTHROW(parse(whole));
  for (std::size_t size = 0; size < whole.size(); ++size)
    CHECK_THROWS_AS(parse(whole.substr(0, size)), ml::truncated_file);
}

TEST_CASE("bytes past the last tensor are refused") {
  CHECK_THROWS_AS(parse_header(R"({"a":)" + tensor("F32", "[2]", "[0,8]") + "}", 9), ml::malformed_file);
}

TEST_CASE("a header longer than the format allows is refused before it is read") {
  std::string file(8, '\xff');
  CHECK_THROWS_AS(parse(file), ml::malformed_file);
}

TEST_CASE("holes and overlaps between tensors are refused") {
  std::string const first = R"({"a":)" + tensor("F32", "[1]", "[0,4]") + R"(,"b":)";
  CHECK_NOTHROW(parse_header(first + tensor("F32", "[1]", "[4,8]") + "}", 8));
  CHECK_THROWS_AS(parse_header(first + tensor("F32", "[1]", "[5,9]") + "}", 9), ml::malformed_file);
  CHECK_THROWS_AS(parse_header(first + tensor("F32", "[1]", "[3,7]") + "}", 7), ml::malformed_file);
  CHECK_THROWS_AS(parse_header(R"({"a":)" + tensor("F32", "[1]", "[4,8]") + "}", 8), ml::malformed_file);
}

TEST_CASE("a size that is not the product of its shape is refused, overflow included") {
  for (char const* shape : {"[3]", "[1]", "[2,2]", "[0]", "[4294967296,4294967296]", "[576460752303423490]",
                            "[18446744073709551615,2]", "[-2]", "[2.0]", "[\"2\"]", "2", "[[2]]"}) {
    CAPTURE(std::string(shape));
    CHECK_THROWS_AS(parse_header(R"({"a":)" + tensor("F32", shape, "[0,8]") + "}", 8), ml::malformed_file);
  }
}

TEST_CASE("offsets that are not a begin and an end are refused") {
  for (char const* offsets : {"[8,0]", "[0]", "[0,8,8]", "[-1,7]", "[0,8.0]", "null", "{}", "[0,1e30]",
                              "[18446744073709551608,18446744073709551616]"}) {
    CAPTURE(std::string(offsets));
    CHECK_THROWS_AS(parse_header(R"({"a":)" + tensor("F32", "[2]", offsets) + "}", 8), ml::malformed_file);
  }
}

TEST_CASE("unknown data types are refused, those without arithmetic are not") {
  CHECK_THROWS_AS(parse_header(R"({"a":)" + tensor("F128", "[1]", "[0,16]") + "}", 16), ml::malformed_file);
  CHECK_NOTHROW(parse_header(R"({"a":)" + tensor("I64", "[1]", "[0,8]") + "}", 8));
  CHECK_NOTHROW(parse_header(R"({"a":)" + tensor("F4", "[2]", "[0,1]") + "}", 1));
  CHECK_THROWS_AS(parse_header(R"({"a":)" + tensor("F4", "[3]", "[0,1]") + "}", 1), ml::malformed_file);
}

TEST_CASE("duplicate keys, deep JSON and what is no object are refused") {
  std::string const a = R"("a":)" + tensor("F32", "[1]", "[0,4]");
  CHECK_THROWS_AS(parse_header("{" + a + "," + a + "}", 4), ml::malformed_file);
  CHECK_THROWS_AS(parse_header(R"({"a":{"dtype":"F32","dtype":"F32","shape":[1],"data_offsets":[0,4]}})", 4),
                  ml::malformed_file);
  CHECK_THROWS_AS(parse_header(R"({"a":)" + std::string(100'000, '[') + std::string(100'000, ']') + "}", 0),
                  ml::malformed_file);
  for (char const* header : {"", "[]", " {}", "{", "{}x", "null", R"({"a":1})", R"({"a":{}})", "{\"\xff\":1}",
                             R"({"__metadata__":{"n":1}})", R"({"__metadata__":[]})"}) {
    CAPTURE(std::string(header));
    CHECK_THROWS_AS(parse_header(header, 0), ml::malformed_file);
  }
}

TEST_CASE("an error says which file, what was found, what was expected and what to do") {
  try {
    parse(std::string(3, '\0'));
    FAIL("not refused");
  } catch (ml::model_error const& error) {
    CHECK(error.file() == "test.safetensors");
    CHECK(error.found() == "3 bytes");
    CHECK(error.expected().find("8 bytes") != std::string::npos);
    CHECK(error.advice().find("download") != std::string::npos);
    CHECK(std::string(error.what()).find("test.safetensors: found 3 bytes; expected") == 0);
  }
}
