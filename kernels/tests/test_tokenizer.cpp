// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <algorithm>
#include <stdexcept>

#include "model/json.hpp"
#include "model/tokenizer.hpp"
#include "model/unicode.hpp"
#include "yonder/ml/errors.hpp"

namespace {

using namespace yonder;
using namespace yonder::kernels;
using ids = std::vector<std::int32_t>;

constexpr char const* vocabulary =
    "[PAD]\n[UNK]\r\n[CLS]  \n[SEP]\n[MASK]\nhello\n##s\nworld\nE\u0301\ne\n\u4e2d\n";

tokenizer from_vocabulary(tokenizer_settings const& settings = {}) {
  return parse_vocabulary(vocabulary, "vocab.txt", settings);
}

json minimal() {
  return json::parse(R"({"normalizer":{"type":"BertNormalizer","clean_text":true,"handle_chinese_chars":true,
    "strip_accents":null,"lowercase":true},"pre_tokenizer":{"type":"BertPreTokenizer"},"added_tokens":[],
    "post_processor":{"type":"BertProcessing","sep":["[SEP]",3],"cls":["[CLS]",2]},
    "model":{"unk_token":"[UNK]","vocab":{"[PAD]":0,"[UNK]":1,"[CLS]":2,"[SEP]":3,"a":4,"##b":5}}})");
}

tokenizer parse(json const& value, tokenizer_settings const& settings = {}) {
  return parse_tokenizer_json(value.dump(), "tokenizer.json", settings);
}

json with(char const* pointer, json const& value) {
  json all = minimal();
  all[json::json_pointer(pointer)] = value;
  return all;
}

json const roberta = {{"type", "RobertaProcessing"}, {"sep", {"</s>", 1}}, {"cls", {"<s>", 0}}};

json byte_level_vocabulary() {
  json tokens = {{"<s>", 0}, {"</s>", 1}, {"<mask>", 2}, {"ab", 3}, {"\u0120ab", 4}};
  for (int byte = 0; byte < 256; ++byte) {
    char const each = static_cast<char>(byte);
    tokens[byte_level::token_of({&each, 1})] = 5 + byte;
  }
  return tokens;
}

json byte_level_with(char const* pointer, json const& value) {
  json all = {{"pre_tokenizer", {{"type", "ByteLevel"}, {"add_prefix_space", false}}},
              {"post_processor", roberta},
              {"model", {{"type", "BPE"}, {"merges", {"a b", "\u0120 ab"}}}}};
  all["model"]["vocab"] = byte_level_vocabulary();
  all[json::json_pointer(pointer)] = value;
  return all;
}

std::int32_t id_of(char byte) { return 5 + static_cast<unsigned char>(byte); }

std::string const vocabulary_file = "vocab.json";
std::string const merges_file = "merges.txt";

tokenizer from_merges(std::string_view merges, tokenizer_settings const& settings = {}) {
  std::string const map = byte_level_vocabulary().dump();
  return parse_byte_level({map, vocabulary_file}, {merges, merges_file}, settings);
}

}  // namespace

TEST_CASE("vocab.txt alone makes an uncased tokenizer with [CLS] and [SEP]") {
  auto const tokens = from_vocabulary();
  CHECK(tokens.encode("Hellos WORLD, \u00c9\u4e2d").ids == ids{2, 5, 6, 7, 1, 9, 10, 3});
  CHECK(tokens.encode("").ids == ids{2, 3});
  CHECK(tokens.encode("x[MASK]hello").ids == ids{2, 1, 4, 5, 3});
  CHECK(tokens.largest_id() == 10);
}

TEST_CASE("tokenizer_config.json decides on case and accents where there is only vocab.txt") {
  auto const settings = parse_tokenizer_settings(
      R"({"do_lower_case":false,"model_max_length":1e30,"unk_token":{"content":"[UNK]"}})",
      "tokenizer_config.json");
  CHECK_FALSE(settings.max_length.has_value());
  CHECK(from_vocabulary(settings).encode("Hello hello E\u0301").ids == ids{2, 1, 5, 8, 3});
}

TEST_CASE(
    "tokenizer_config.json holds over the normalizer of tokenizer.json where the class is BertTokenizer") {
  CHECK(parse(minimal()).encode("Ab").ids == ids{2, 4, 5, 3});
  CHECK(parse(minimal(), {.lowercase = false}).encode("Ab").ids == ids{2, 4, 5, 3});
  auto const bert = tokenizer_kind::bert;
  CHECK(parse(minimal(), {.kind = bert, .lowercase = false}).encode("Ab").ids == ids{2, 1, 3});
  // Silence is BertTokenizer's default, whatever tokenizer.json says.
  CHECK(parse(with("/normalizer/lowercase", false), {.kind = bert}).encode("Ab").ids == ids{2, 4, 5, 3});
  CHECK(parse(with("/normalizer", nullptr), {.kind = bert}).encode("Ab").ids == ids{2, 4, 5, 3});
}

TEST_CASE("a token that the vocabulary lacks gets the next id") {
  auto const settings =
      parse_tokenizer_settings(R"({"mask_token":"<m>","extra_special_tokens":["<x>"],"y_token":"<y>"})", "c");
  CHECK(parse(minimal(), settings).encode("a<m><y><x>").ids == ids{2, 4, 6, 7, 8, 3});
  CHECK(parse(minimal(), settings).largest_id() == 8);
  CHECK(parse(minimal()).largest_id() == 5);
}

TEST_CASE("a token with a role is found in the text as it is, unless it says otherwise") {
  auto const with_mask = [](char const* text) {
    return from_vocabulary(parse_tokenizer_settings(text, "tokenizer_config.json")).encode("[mask]").ids;
  };
  ids const words = {2, 1, 1, 1, 3};
  CHECK(with_mask(R"({"mask_token":{"content":"[MASK]"}})") == words);
  CHECK(with_mask(R"({"added_tokens_decoder":{"4":{"content":"[MASK]"}}})") == words);
  CHECK(with_mask(R"({"mask_token":{"content":"[MASK]","normalized":true}})") == ids{2, 4, 3});
  CHECK(with_mask(R"({"extra_special_tokens":[{"content":"[MASK]"}],"mask_token":null})") == ids{2, 4, 3});
}

TEST_CASE("added_tokens.json and special_tokens_map.json are read where there is no added_tokens_decoder") {
  std::string const file = "file";
  tokenizer_settings settings;
  merge_special_tokens({R"({"cls_token":"hello"})", file}, settings);
  merge_added_tokens({R"({"Zz":11,"hello":5})", file}, settings);
  CHECK(from_vocabulary(settings).encode("zz ZZhello").ids == ids{5, 11, 11, 5, 3});
  auto newer = parse_tokenizer_settings(R"({"added_tokens_decoder":{}})", "tokenizer_config.json");
  merge_special_tokens({R"({"cls_token":"hello"})", file}, newer);
  merge_added_tokens({R"({"zz":11})", file}, newer);
  CHECK(from_vocabulary(newer).encode("zz").ids == ids{2, 1, 3});
  tokenizer_settings other;
  merge_added_tokens({R"({"zz":12})", file}, other);
  CHECK_THROWS_AS(from_vocabulary(other), ml::inconsistent_model);
  CHECK_THROWS_AS(merge_added_tokens({R"({"zz":"11"})", file}, other), ml::malformed_file);
  CHECK_THROWS_AS(merge_special_tokens({R"({"do_lower_case":true})", file}, other), ml::unsupported_model);
  auto listed = parse_tokenizer_settings(R"({"additional_special_tokens":[]})", "tokenizer_config.json");
  merge_special_tokens({R"({"additional_special_tokens":["o"]})", file}, listed);
  CHECK(listed.other_special.empty());
}

TEST_CASE("a special token with another name is taken from tokenizer_config.json") {
  auto const settings = parse_tokenizer_settings(R"({"cls_token":"hello"})", "tokenizer_config.json");
  CHECK(from_vocabulary(settings).encode("").ids == ids{5, 3});
}

TEST_CASE("a word of more than 100 code points is unknown, one of 100 is not") {
  auto const tokens = parse(with("/model/vocab/##a", 6));
  CHECK(tokens.encode(std::string(100, 'a')).ids.size() == 102);
  CHECK(tokens.encode(std::string(101, 'a')).ids == ids{2, 1, 3});
}

TEST_CASE("text that is not UTF-8 is refused with the offset of its first bad byte") {
  auto const offset_of = [](std::string const& text) -> std::ptrdiff_t {
    try {
      from_vocabulary().encode(text);
    } catch (ml::invalid_utf8 const& error) {
      return static_cast<std::ptrdiff_t>(error.offset());
    }
    return -1;
  };
  CHECK(offset_of("abc\xff") == 3);
  CHECK(offset_of("\u00e9\x80") == 2);            // a continuation without a lead
  CHECK(offset_of("a\xc3") == 1);                 // cut
  CHECK(offset_of("a\xe4\xb8") == 1);             // cut
  CHECK(offset_of("\xc0\xaf") == 0);              // overlong
  CHECK(offset_of("\xe0\x80\xaf") == 0);          // overlong
  CHECK(offset_of("\xf0\x80\x80\xaf") == 0);      // overlong
  CHECK(offset_of("\xed\xa0\x80") == 0);          // surrogate
  CHECK(offset_of("\xf4\x90\x80\x80") == 0);      // past U+10FFFF
  CHECK(offset_of("\xf8\x88\x80\x80\x80") == 0);  // five bytes
  CHECK(offset_of("\xed\x9f\xbf\xee\x80\x80\xf4\x8f\xbf\xbf") == -1);
}

TEST_CASE("every code point survives encoding to UTF-8 and back, in both directions") {
  for (char32_t code = 0; code < 0x110000; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string text;
    unicode::append(text, code);
    auto const decoded = unicode::decode(text.data());
    bool const survives = decoded.code == code && decoded.bytes == text.size() &&
                          unicode::decode_before(text.data() + text.size()).code == code &&
                          !unicode::find_invalid_utf8(text).has_value();
    if (!survives) FAIL("U+" << std::hex << static_cast<std::uint32_t>(code) << " does not");
  }
}

TEST_CASE("a longer text is cut to the limit, special tokens included") {
  auto const tokens = from_vocabulary();
  std::string const text = "hello world hellos";
  CHECK(tokens.encode(text, truncation{6}).ids == ids{2, 5, 7, 5, 6, 3});
  CHECK_FALSE(tokens.encode(text, truncation{6}).truncated);
  CHECK(tokens.encode(text, truncation{5}).ids == ids{2, 5, 7, 5, 3});
  CHECK(tokens.encode(text, truncation{5}).truncated);
  CHECK(tokens.encode(text, truncation{5, side::left}).ids == ids{2, 7, 5, 6, 3});
  CHECK(tokens.encode(text, truncation{2}).ids == ids{2, 3});
  CHECK_THROWS_AS(tokens.encode(text, truncation{1}), std::invalid_argument);
}

TEST_CASE("a text that just fits is not cut, whatever its tokenizer") {
  auto const tokens = from_merges("");
  CHECK_FALSE(tokens.encode("a1a1", truncation{6}).truncated);
  CHECK(tokens.encode("a1a1", truncation{5}).truncated);
}

TEST_CASE("blanks between two added tokens are taken by one of them only") {
  json const added = {{{"id", 6}, {"content", "<a>"}, {"rstrip", true}, {"special", true}},
                      {{"id", 7}, {"content", "<b>"}, {"lstrip", true}, {"special", true}}};
  CHECK(parse(with("/added_tokens", added)).encode("a <a> <b> a").ids == ids{2, 4, 6, 7, 4, 3});
}

TEST_CASE("padding fills to the longest, to a length, to a multiple, on either side") {
  std::vector<encoding> const rows = {{{2, 3}, {0, 0}, false}, {{2, 5, 3}, {0, 0, 0}, false}};
  auto const longest = pad(rows, {});
  CHECK(longest.width == 3);
  CHECK(longest.ids == ids{2, 3, 0, 2, 5, 3});
  CHECK(longest.attention == ids{1, 1, 0, 1, 1, 1});
  CHECK(pad(rows, {.multiple_of = 4}).width == 4);
  CHECK(pad(rows, {.fixed_length = 5}).width == 5);
  CHECK(pad(rows, {.pad = side::left, .id = 9}).ids == ids{9, 2, 3, 2, 5, 3});
  CHECK(pad({}, {}).ids.empty());
}

TEST_CASE("what this library does not run is refused as unsupported") {
  CHECK_THROWS_AS(parse(with("/model/type", "BPE")), ml::unsupported_model);
  CHECK_THROWS_AS(parse(with("/model/merges", json::array())), ml::unsupported_model);
  CHECK_THROWS_AS(parse(with("/normalizer", {{"type", "NFKC"}})), ml::unsupported_model);
  CHECK_THROWS_AS(parse(with("/pre_tokenizer", {{"type", "ByteLevel"}})), ml::unsupported_model);
  CHECK_THROWS_AS(parse(with("/post_processor", {{"type", "Other"}})), ml::unsupported_model);
  for (auto const& change : std::initializer_list<std::pair<char const*, json>>{
           {"/model/type", "Unigram"},
           {"/model/dropout", 0.1},
           {"/model/continuing_subword_prefix", "##"},
           {"/model/end_of_word_suffix", "</w>"},
           {"/model/byte_fallback", true},
           {"/model/ignore_merges", true},
           {"/model/novelty", 1},
           {"/pre_tokenizer/novelty", 1},
           {"/novelty", 1},
           {"/pre_tokenizer/type", "Whitespace"},
           {"/pre_tokenizer/use_regex", false},
           {"/post_processor", {{"type", "Sequence"}, {"processors", {roberta, roberta}}}}}) {
    CAPTURE(std::string(change.first));
    CHECK_THROWS_AS(parse(byte_level_with(change.first, change.second)), ml::unsupported_model);
  }
  json const nested = {{"type", "Sequence"},
                       {"normalizers", {{{"type", "Sequence"}, {"normalizers", json::array()}}}}};
  CHECK_THROWS_AS(parse(with("/normalizer", nested)), ml::unsupported_model);
}

TEST_CASE("vocab.json and merges.txt make RoBERTa's tokenizer") {
  auto const tokens = from_merges("#version: 0.2\na b\n\u0120 ab\n");
  CHECK(tokens.encode("ab ab").ids == ids{0, 3, 4, 1});
  CHECK(tokens.encode("").ids == ids{0, 1});
  CHECK(tokens.encode("b <mask>a").ids == ids{0, id_of('b'), id_of(' '), 2, id_of('a'), 1});
  auto const settings = parse_tokenizer_settings(R"({"mask_token":{"content":"<mask>","lstrip":true}})",
                                                 "tokenizer_config.json");
  CHECK(from_merges("", settings).encode("b <mask>a").ids == ids{0, id_of('b'), 2, id_of('a'), 1});
  CHECK(tokens.encode("\u00e9").ids == ids{0, id_of('\xc3'), id_of('\xa9'), 1});
  CHECK(from_merges("a b\r\n\u0120 ab\r\n", {.add_prefix_space = true}).encode("ab").ids == ids{0, 4, 1});
}

TEST_CASE("byte-level BPE reads tokenizer.json, merges as texts or as pairs") {
  CHECK(parse(byte_level_with("/version", "1.0")).encode("ab ab").ids == ids{0, 3, 4, 1});
  json const pairs = json::array({json::array({"a", "b"}), json::array({"\u0120", "ab"})});
  CHECK(parse(byte_level_with("/model/merges", pairs)).encode("ab ab").ids == ids{0, 3, 4, 1});
  auto const spaced = [](tokenizer_kind kind, std::optional<bool> prefix) {
    json const file = byte_level_with("/pre_tokenizer/add_prefix_space", true);
    return parse(file, {.kind = kind, .add_prefix_space = prefix}).encode("ab").ids;
  };
  CHECK(spaced(tokenizer_kind::as_written, false) == ids{0, 4, 1});
  CHECK(spaced(tokenizer_kind::roberta, std::nullopt) == ids{0, 3, 1});
  CHECK(spaced(tokenizer_kind::roberta, true) == ids{0, 4, 1});
}

TEST_CASE("merges that are no merges are refused, and a vocabulary that lacks a byte or a merge's result") {
  for (char const* text : {"a\n", "a b c\n", " b\n", "a \n", "a  b\n"}) {
    CAPTURE(std::string(text));
    CHECK_THROWS_AS(from_merges(text), ml::malformed_file);
  }
  CHECK_THROWS_AS(from_merges("a \xff\n"), ml::malformed_file);
  CHECK_THROWS_AS(from_merges("b a\n"), ml::inconsistent_model);
  CHECK_THROWS_AS(from_merges("a zz\n"), ml::inconsistent_model);
  CHECK_THROWS_AS(parse_byte_level({R"({"<s>":0,"</s>":1})", vocabulary_file}, {"", merges_file}, {}),
                  ml::inconsistent_model);
  CHECK_THROWS_AS(parse_byte_level({"[]", vocabulary_file}, {"", merges_file}, {}), ml::malformed_file);
  for (json const& merges : {json("a b"), json({1}), json({{"a"}}), json({{"a", 1}}), json({"a"})}) {
    CAPTURE(merges.dump());
    CHECK_THROWS_AS(parse(byte_level_with("/model/merges", merges)), ml::malformed_file);
  }
}

TEST_CASE("a tokenizer.json whose parts are not what they should be is refused as malformed") {
  for (auto const& change : std::initializer_list<std::pair<char const*, json>>{
           {"/model", 1},
           {"/model", nullptr},
           {"/model/vocab", json::array()},
           {"/model/vocab/a", -1},
           {"/model/vocab/a", 1.5},
           {"/model/vocab/a", 1e30},
           {"/model/unk_token", 1},
           {"/normalizer", "BertNormalizer"},
           {"/normalizer/type", 1},
           {"/normalizer/lowercase", "yes"},
           {"/added_tokens", json::object()},
           {"/added_tokens/0", 5},
           {"/added_tokens/0", {{"id", 1}}},
           {"/added_tokens/0", {{"content", "x"}, {"id", -1}}},
           {"/post_processor/cls", {"[CLS]"}},
           {"/post_processor/cls", {"[CLS]", "2"}},
           {"/post_processor", {{"type", "TemplateProcessing"}, {"single", json::array()}}},
           {"/truncation", {{"max_length", "long"}}},
           {"/truncation", {{"max_length", 3}, {"direction", "Up"}}},
           {"/padding", {{"strategy", "None"}}},
           {"/padding", {{"strategy", {{"Fixed", -3}}}}}}) {
    CAPTURE(std::string(change.first));
    CAPTURE(change.second.dump());
    CHECK_THROWS_AS(parse(with(change.first, change.second)), ml::malformed_file);
  }
  CHECK_THROWS_AS(parse_tokenizer_json("{", "tokenizer.json", {}), ml::malformed_file);
}

TEST_CASE("a tokenizer that contradicts itself is refused as inconsistent") {
  CHECK_THROWS_AS(parse(with("/model/unk_token", "<unk>")), ml::inconsistent_model);
  CHECK_THROWS_AS(parse(with("/added_tokens/0", {{"content", "a"}, {"id", 5}})), ml::inconsistent_model);
  CHECK_THROWS_AS(parse_vocabulary("", "vocab.txt", {}), ml::inconsistent_model);
  CHECK_THROWS_AS(parse_vocabulary("[UNK]\n\xff\n", "vocab.txt", {}), ml::malformed_file);
}

TEST_CASE("a tokenizer_config.json with values of other kinds is refused") {
  for (char const* text :
       {R"({"do_lower_case":"true"})", R"({"model_max_length":"512"})", R"({"model_max_length":0})",
        R"({"unk_token":1})", R"({"unk_token":{}})", R"({"added_tokens_decoder":[]})",
        R"({"added_tokens_decoder":{"x":{}}})", R"({"added_tokens_decoder":{"1":{}}})",
        R"({"added_tokens_decoder":{"99999999999":{"content":"a"}}})", "[]", ""}) {
    CAPTURE(std::string(text));
    CHECK_THROWS_AS(parse_tokenizer_settings(text, "tokenizer_config.json"), ml::malformed_file);
  }
}

namespace {

json unigram_json() {
  std::vector<std::pair<std::string, double>> const pieces = {
      {"<s>", 0}, {"<pad>", 0}, {"</s>", 0}, {"<unk>", 0}, {"\u2581", -2}, {"\u2581a", -3}, {"b", -4}};
  return {{"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", pieces}}}};
}

json unigram_with(char const* pointer, json const& value) {
  json result = unigram_json();
  result[json::json_pointer(pointer)] = value;
  return result;
}

}  // namespace

TEST_CASE("Unigram's words are those of its class, and those of tokenizer.json where it is as written") {
  auto const xlm = tokenizer_kind::xlm_roberta;
  CHECK(parse(unigram_json(), {.kind = xlm}).encode("a\u3000bx").ids == ids{0, 5, 4, 6, 3, 2});
  CHECK(parse(unigram_json(), {.kind = xlm, .add_prefix_space = false}).encode("a b").ids == ids{0, 3, 6, 2});
  CHECK(parse(unigram_json()).encode("\u2581a b").ids == ids{5, 3, 6});
  auto const spaces = unigram_with("/pre_tokenizer", {{"type", "Metaspace"}, {"replacement", "\u2581"}});
  CHECK(parse(spaces).encode("a  b").ids == ids{5, 4, 4, 6});
}

// Ids: transformers 5.24.
TEST_CASE(
    "CamemBERT's unknown token is found by its text, and three tokens are special unless others are named") {
  std::vector<std::pair<std::string, double>> const pieces = {{"<unk>", 0}, {"<pad>", 0},   {"<s>", 0},
                                                              {"</s>", 0},  {"\u2581", -2}, {"\u2581a", -3},
                                                              {"b", -4},    {"<mask>", 0}};
  json const model = {{"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", pieces}}}};
  auto const tokens = [&](char const* more) {
    auto settings = parse_tokenizer_settings(std::string("{") + more + "}", "tokenizer_config.json");
    settings.kind = tokenizer_kind::camembert;
    return parse(model, settings);
  };
  auto const usual = tokens("");
  CHECK(usual.encode("a b").ids == ids{2, 5, 4, 6, 3});
  CHECK(usual.encode("a <s>NOTUSED x <mask>b").ids == ids{2, 5, 8, 4, 0, 7, 4, 6, 3});
  CHECK(usual.encode("</s>NOTUSED<unk>NOTUSED a").ids == ids{2, 9, 10, 5, 3});
  CHECK(tokens(R"("additional_special_tokens": [])").encode("a <s>NOTUSED x <mask>b").ids ==
        ids{2, 5, 2, 4, 0, 4, 0, 7, 4, 6, 3});
  CHECK(tokens(R"("unk_token": "b")").encode("a <s>NOTUSED x <mask>b").ids == ids{2, 5, 8, 4, 6, 7, 6, 3});
  ids both;
  ids types;
  usual.append({"a", "b"}, {.max_length = 100}, pair_truncation::longest_first, both, types);
  CHECK(both == ids{2, 5, 3, 3, 4, 6, 3});
}

TEST_CASE("a Unigram model that is none is refused by what is wrong with it") {
  auto const settings = tokenizer_settings{.kind = tokenizer_kind::xlm_roberta};
  CHECK_THROWS_AS(parse(unigram_with("/model/unk_id", 7)), ml::inconsistent_model);
  CHECK_THROWS_AS(parse(unigram_with("/model/unk_id", nullptr)), ml::unsupported_model);
  for (json const& piece : {json("a"), json({"a"}), json({1, -1}), json({"a", "b"})})
    CHECK_THROWS_AS(parse(unigram_with("/model/vocab/0", piece)), ml::malformed_file);
  CHECK_THROWS_AS(parse(unigram_with("/model/vocab", json::array({{"<s>", 0}, {"</s>", 0}})), settings),
                  ml::inconsistent_model);
  CHECK_THROWS_AS(parse(minimal(), settings), ml::inconsistent_model);
  CHECK_THROWS_AS(parse(unigram_json(), {.kind = tokenizer_kind::bert}), ml::inconsistent_model);
  for (char const* map : {"", "AAA=", "BAAAAA==", "A"}) {
    CAPTURE(std::string(map));
    CHECK_THROWS_AS(
        parse(unigram_with("/normalizer", {{"type", "Precompiled"}, {"precompiled_charsmap", map}}),
              settings),
        ml::malformed_file);
  }
  for (std::string_view const bytes :
       {std::string_view(), std::string_view("\x0a"), std::string_view("\x0a\x03"),
        std::string_view("\x0a\x00", 2), std::string_view("\x0b"), std::string_view("\x08\x01"),
        std::string_view("\x0a\x03\x0a\x01\xff")})
    CHECK_THROWS_AS(parse_sentencepiece(bytes, "sentencepiece.bpe.model", {}), ml::malformed_file);
}
