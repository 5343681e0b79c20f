// SPDX-License-Identifier: Apache-2.0
//
// Goldens: tools/make_tokenizer_goldens.py, tools/make_byte_level_goldens.py and
// tools/make_unigram_goldens.py, which also print one block in full.
#include <doctest/doctest.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>

#include "base64_text.hpp"
#include "model/json.hpp"
#include "model/mapped_file.hpp"
#include "model/sentencepiece.hpp"
#include "model/tokenizer.hpp"
#include "tokenizer_corpus.hpp"

namespace {

namespace corpus = tokenizer_corpus;
using yonder::kernels::json;

json const& goldens() {
  static json const all =
      yonder::kernels::read_json(std::filesystem::path(YONDER_GOLDENS) / "tokenizers.json");
  return all;
}

yonder::kernels::tokenizer make_tokenizer(json value) {
  std::int32_t id = 0;
  for (auto const& token : corpus::vocabulary()) value["model"]["vocab"][token] = id++;
  return yonder::kernels::parse_tokenizer_json(value.dump(), "golden", {});
}

// Instrumented, a sample of the blocks; the whole takes minutes.
constexpr std::size_t one_block_in = YONDER_IS_SANITIZED ? 8 : 1;

struct texts {
  std::string (*random)(std::uint64_t index);
  std::vector<std::string> (*of_code_point)(char32_t code);
  bool words;  // are part of the hashes
};

constexpr texts for_wordpiece = {[](std::uint64_t index) { return corpus::random_string(index); },
                                 corpus::code_point_texts, true};
constexpr texts for_byte_level = {
    [](std::uint64_t index) { return corpus::random_string(index, corpus::byte_level_snippets()); },
    corpus::byte_level_code_point_texts, false};

constexpr texts for_unigram = {
    [](std::uint64_t index) { return corpus::random_string(index, corpus::unigram_snippets()); },
    corpus::unigram_code_point_texts, false};

std::string hash_strings(yonder::kernels::tokenizer const& tokenizer, texts const& how, std::uint64_t block) {
  corpus::hash hash;
  for (std::uint64_t i = 0; i < corpus::strings_per_hash; ++i) {
    hash.add_ids(tokenizer.encode(how.random(block * corpus::strings_per_hash + i)).ids);
  }
  return hash.hex();
}

std::string hash_code_points(yonder::kernels::tokenizer const& tokenizer, texts const& how, char32_t block) {
  corpus::hash hash;
  char32_t const first = block * corpus::code_points_per_hash;
  for (char32_t code = first; code < first + corpus::code_points_per_hash; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    for (auto const& text : how.of_code_point(code)) {
      if (how.words) hash.add_words(tokenizer.words(text));
      hash.add_ids(tokenizer.encode(text).ids);
    }
  }
  return hash.hex();
}

void check(yonder::kernels::tokenizer const& tokenizer, texts const& how, json const& configuration,
           char32_t last = corpus::code_points) {
  CAPTURE(configuration["name"].get<std::string>());
  auto const& strings = configuration["strings"];
  REQUIRE(strings.size() * corpus::strings_per_hash == corpus::strings);
  for (std::uint64_t block = 0; block < strings.size(); block += one_block_in) {
    CAPTURE(block);
    CHECK(hash_strings(tokenizer, how, block) == strings[block].get<std::string>());
  }
  auto const& code_points = configuration["code_points"];
  REQUIRE(code_points.size() * corpus::code_points_per_hash == last);
  for (char32_t block = 0; block < code_points.size(); block += one_block_in) {
    CAPTURE(static_cast<unsigned>(block));
    CHECK(hash_code_points(tokenizer, how, block) == code_points[block].get<std::string>());
  }
}

void check(json const& configuration) {
  check(make_tokenizer(configuration["tokenizer"]), for_wordpiece, configuration);
}

std::filesystem::path byte_level_folder() { return std::filesystem::path(YONDER_GOLDENS) / "byte-level"; }

// tokenizer.json as it would be with the vocabulary and the merges of the folder.
yonder::kernels::tokenizer make_byte_level(json value) {
  value["model"]["vocab"] = yonder::kernels::read_json(byte_level_folder() / "vocab.json");
  std::ifstream merges(byte_level_folder() / "merges.txt");
  for (std::string line; std::getline(merges, line);) {
    if (!line.starts_with("#version")) value["model"]["merges"].push_back(line);
  }
  return yonder::kernels::parse_tokenizer_json(value.dump(), "golden", {});
}

json byte_level_configurations() {
  return yonder::kernels::read_json(byte_level_folder() / "golden.json")["configurations"];
}

void check_byte_level(std::size_t index) {
  json const configuration = byte_level_configurations().at(index);
  check(make_byte_level(configuration["tokenizer"]), for_byte_level, configuration);
}

std::string sentencepiece_file() {
  return (std::filesystem::path(YONDER_GOLDENS) / "unigram" / "sentencepiece.bpe.model").string();
}

yonder::kernels::sentencepiece_model const& sentencepiece() {
  static auto const model = yonder::kernels::parse_sentencepiece_model(
      yonder::kernels::mapped_file(sentencepiece_file()).text(), "golden");
  return model;
}

json unigram_configurations() {
  return yonder::kernels::read_json(std::filesystem::path(YONDER_GOLDENS) / "unigram" /
                                    "golden.json")["configurations"];
}

// tokenizer.json with the pieces and the map of SentencePiece's model.
yonder::kernels::tokenizer make_unigram(json value) {
  json& vocabulary = value["model"]["vocab"] = json::array();
  for (auto const& piece : sentencepiece().pieces) vocabulary.push_back({piece.text, piece.score});
  char name[8];
  for (int byte = 0; value["model"]["byte_fallback"] == true && byte < 256; ++byte) {
    std::snprintf(name, sizeof(name), "<0x%02X>", static_cast<unsigned>(byte));
    vocabulary.push_back({name, 0.0});
  }
  for (json& step : value["normalizer"]["normalizers"])
    if (step["type"] == "Precompiled") step["precompiled_charsmap"] = encode_base64(sentencepiece().charsmap);
  return yonder::kernels::parse_tokenizer_json(value.dump(), "golden", {});
}

yonder::kernels::tokenizer make_xlm_roberta() {
  yonder::kernels::mapped_file const file(sentencepiece_file());
  return yonder::kernels::parse_sentencepiece(file.text(), "golden", {});
}

yonder::kernels::tokenizer make_camembert() {
  yonder::kernels::mapped_file const file(sentencepiece_file());
  return yonder::kernels::parse_sentencepiece(file.text(), "golden",
                                              {.kind = yonder::kernels::tokenizer_kind::camembert});
}

// The same class as make_xlm_roberta(), of the tokenizer.json that transformers saves.
yonder::kernels::tokenizer make_saved_xlm_roberta() {
  std::vector<std::pair<std::string, double>> vocabulary = {
      {"<s>", 0.0}, {"<pad>", 0.0}, {"</s>", 0.0}, {"<unk>", 0.0}};
  for (std::size_t i = 3; i < sentencepiece().pieces.size(); ++i)
    vocabulary.emplace_back(sentencepiece().pieces[i].text, sentencepiece().pieces[i].score);
  vocabulary.emplace_back("<mask>", 0.0);
  json const value = {
      {"model", {{"type", "Unigram"}, {"unk_id", 3}, {"vocab", vocabulary}}},
      {"normalizer",
       {{"type", "Precompiled"}, {"precompiled_charsmap", encode_base64(sentencepiece().charsmap)}}}};
  return yonder::kernels::parse_tokenizer_json(value.dump(), "golden",
                                               {.kind = yonder::kernels::tokenizer_kind::xlm_roberta});
}

void check_batch(json const& golden) {
  auto const tokenizer = make_tokenizer(golden["tokenizer"]);
  std::vector<std::string> const texts = goldens()["texts"];
  std::vector<std::string_view> const views(texts.begin(), texts.end());
  auto const batch = tokenizer.encode_batch(views);
  auto const rows = [&](std::vector<std::int32_t> const& values) {
    std::vector<std::vector<std::int32_t>> result;
    for (std::size_t row = 0; row < batch.rows; ++row) {
      auto const begin = values.begin() + static_cast<std::ptrdiff_t>(row * batch.width);
      result.emplace_back(begin, begin + static_cast<std::ptrdiff_t>(batch.width));
    }
    return result;
  };
  CHECK(rows(batch.ids) == golden["ids"].get<std::vector<std::vector<std::int32_t>>>());
  CHECK(rows(batch.type_ids) == golden["type_ids"].get<std::vector<std::vector<std::int32_t>>>());
  CHECK(rows(batch.attention) == golden["attention"].get<std::vector<std::vector<std::int32_t>>>());
}

// Of the tokens of the text itself: id, first byte, end and word of each.
std::string hash_places(yonder::kernels::tokenizer const& tokenizer, std::vector<std::string> const& texts) {
  corpus::hash hash;
  for (auto const& text : texts) {
    auto found = tokenizer.place(text);
    tokenizer.trim_spaces(text, found.places);
    std::vector<std::int32_t> numbers;
    for (std::size_t i = 0; i < found.ids.size(); ++i) {
      auto const& place = found.places[i];
      for (auto const number : {static_cast<std::size_t>(found.ids[i]), place.bytes.begin, place.bytes.end,
                                std::size_t{place.word}})
        numbers.push_back(static_cast<std::int32_t>(number));
    }
    hash.add_ids(numbers);
  }
  return hash.hex();
}

void check_places(yonder::kernels::tokenizer const& tokenizer, texts const& how, std::string const& name) {
  static json const all = yonder::kernels::read_json(std::filesystem::path(YONDER_GOLDENS) / "places.json");
  CAPTURE(name);
  for (auto const& [block, hash] : all.at(name)["strings"].items()) {
    std::vector<std::string> some;
    for (std::uint64_t i = 0; i < corpus::strings_per_hash; ++i)
      some.push_back(how.random(std::stoul(block) * corpus::strings_per_hash + i));
    CHECK(hash_places(tokenizer, some) == hash.get<std::string>());
  }
  for (auto const& [block, hash] : all.at(name)["code_points"].items()) {
    if (YONDER_IS_SANITIZED) break;
    auto const first = static_cast<char32_t>(std::stoul(block)) * corpus::code_points_per_hash;
    std::vector<std::string> some;
    for (char32_t code = first; code < first + corpus::code_points_per_hash; ++code) {
      if (code >= 0xD800 && code <= 0xDFFF) continue;
      for (auto const& text : how.of_code_point(code)) some.push_back(text);
    }
    CHECK(hash_places(tokenizer, some) == hash.get<std::string>());
  }
}

}  // namespace

TEST_CASE("quick: every code point and 100,000 random strings give the tokens of Hugging Face, uncased") {
  REQUIRE(goldens()["configurations"][0]["name"] == "uncased");
  check(goldens()["configurations"][0]);
}

TEST_CASE("quick: batches are cut and padded as tokenizer.json says, on either side") {
  REQUIRE(goldens()["batches"].size() == 3);
  for (auto const& golden : goldens()["batches"]) check_batch(golden);
}

TEST_CASE("full: the same holds for cased, accented, unclean and composed normalizers") {
  for (std::size_t i = 1; i < goldens()["configurations"].size(); ++i) check(goldens()["configurations"][i]);
}

TEST_CASE("quick: every code point and 100,000 random strings give RoBERTa's tokens of Hugging Face") {
  check_byte_level(0);
}

TEST_CASE("quick: every code point and 100,000 random strings give XLM-R's tokens of Hugging Face") {
  json const configuration = unigram_configurations().at(0);
  check(make_xlm_roberta(), for_unigram, configuration);
  auto const saved = make_saved_xlm_roberta();
  CHECK(hash_strings(saved, for_unigram, 0) == configuration["strings"][0].get<std::string>());
  CHECK(hash_code_points(saved, for_unigram, 0) == configuration["code_points"][0].get<std::string>());
}

TEST_CASE("full: the same holds for CamemBERT's tokenizer") {
  check(make_camembert(), for_unigram, unigram_configurations().at(3), 0x10000);
}

TEST_CASE("full: the same holds for Unigram models as they are written, and with byte fallback") {
  for (std::size_t i : {1, 2}) {
    json const configuration = unigram_configurations().at(i);
    check(make_unigram(configuration["tokenizer"]), for_unigram, configuration, 0x10000);
  }
}

TEST_CASE("quick: tokens stand where Hugging Face finds them, in the original's bytes") {
  for (json const& configuration : goldens()["configurations"])
    check_places(make_tokenizer(configuration["tokenizer"]), for_wordpiece, configuration["name"]);
  for (json const& configuration : byte_level_configurations())
    check_places(make_byte_level(configuration["tokenizer"]), for_byte_level, configuration["name"]);
  json const unigrams = unigram_configurations();
  check_places(make_xlm_roberta(), for_unigram, unigrams[0]["name"]);
  for (std::size_t i : {1, 2})
    check_places(make_unigram(unigrams[i]["tokenizer"]), for_unigram, unigrams[i]["name"]);
}

TEST_CASE(
    "full: the same holds with a space before each stretch, and with ModernBERT's NFC and added spaces") {
  check_byte_level(1);
  check_byte_level(2);
}
