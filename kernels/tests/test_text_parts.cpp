// SPDX-License-Identifier: Apache-2.0
//
// The parts of the tokenizers against plain versions of themselves.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "ml/text_batches.hpp"
#include "model/ascii.hpp"
#include "model/double_array.hpp"
#include "model/json.hpp"
#include "model/mapped_file.hpp"
#include "model/tokenizer.hpp"
#include "model/wordpiece.hpp"
#include "tokenizer_corpus.hpp"

namespace {

using namespace yonder::kernels;
using ids = std::vector<std::int32_t>;

constexpr std::size_t megabyte = 1U << 20;

std::string random_text(std::mt19937& random, std::string_view alphabet, std::size_t size) {
  std::string text(size, ' ');
  for (char& c : text) c = alphabet[random() % alphabet.size()];
  return text;
}

std::vector<wordpiece::entry> random_vocabulary(std::mt19937& random) {
  std::vector<wordpiece::entry> vocabulary = {{"[UNK]", 0}};
  for (std::int32_t id = 1; id < 40; ++id) {
    std::string const text = random_text(random, "aab", 1 + random() % 7);
    vocabulary.emplace_back(random() % 2 == 0 ? text : "##" + text, id);
  }
  return vocabulary;
}

// Wu et al., word for word: the longest token that fits, again and again.
ids match_plainly(std::vector<wordpiece::entry> const& vocabulary, std::string const& word) {
  std::map<std::string, std::int32_t> all;
  for (auto const& [token, id] : vocabulary) all[token] = id;
  ids found;
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t end = word.size();
    auto const token = [&] { return (begin == 0 ? "" : "##") + word.substr(begin, end - begin); };
    while (end > begin && all.count(token()) == 0) --end;
    if (end == begin) return {0};
    found.push_back(all[token()]);
    begin = end;
  }
  return found;
}

// Each byte under its own number, then `more`.
std::vector<byte_level::bpe::entry> byte_vocabulary(std::vector<std::string> const& more) {
  std::vector<byte_level::bpe::entry> vocabulary;
  for (std::int32_t byte = 0; byte < 256; ++byte) {
    char const each = static_cast<char>(byte);
    vocabulary.emplace_back(byte_level::token_of({&each, 1}), byte);
  }
  for (auto const& token : more) vocabulary.emplace_back(token, static_cast<std::int32_t>(vocabulary.size()));
  return vocabulary;
}

// The rules in their order: of all pairs that merge, the first rule's leftmost one does, again and again.
ids merge_plainly(std::vector<byte_level::bpe::entry> const& vocabulary,
                  std::vector<byte_level::bpe::merge_rule> const& rules, std::string const& word) {
  std::vector<std::string> parts;
  for (char const c : word) parts.emplace_back(1, c);
  auto const merge_one = [&] {
    for (auto const& [left, right] : rules) {
      for (std::size_t i = 0; i + 1 < parts.size(); ++i) {
        if (parts[i] != left || parts[i + 1] != right) continue;
        parts[i] += right;
        parts.erase(parts.begin() + static_cast<std::ptrdiff_t>(i) + 1);
        return true;
      }
    }
    return false;
  };
  while (merge_one()) {
  }
  std::map<std::string, std::int32_t> const all(vocabulary.begin(), vocabulary.end());
  ids found;
  for (auto const& part : parts) found.push_back(all.at(part));
  return found;
}

tokenizer bert(std::string const& vocabulary) { return parse_vocabulary(vocabulary, "vocab.txt", {}); }

}  // namespace

TEST_CASE("WordPiece in linear time finds what longest-match-first finds, for random vocabularies") {
  std::mt19937 random(1);
  for (int round = 0; round < 100; ++round) {
    auto const vocabulary = random_vocabulary(random);
    wordpiece const model(vocabulary, {});
    for (int i = 0; i < 40; ++i) {
      std::string const word = random_text(random, "aaab", 1 + random() % 30);
      ids found;
      model.append(word, found);
      CAPTURE(word);
      REQUIRE(found == match_plainly(vocabulary, word));
    }
  }
}

TEST_CASE("NFC puts together what NFD takes apart, for every code point, and leaves what is together") {
  normalizer const nfc({normalizer::step::nfc}, {});
  normalizer const nfd({normalizer::step::nfd}, {});
  for (char32_t code = 0; code <= 0x10FFFF; ++code) {
    if (code >= 0xD800 && code <= 0xDFFF) continue;
    std::string letter;
    unicode::append(letter, code);
    auto const whole = nfc(letter);
    REQUIRE(nfc(nfd(letter)) == whole);
    REQUIRE(nfc(whole) == whole);
    REQUIRE(nfd(whole) == nfd(letter));
  }
  CHECK(nfc("cafe\u0301, A\u030a\u0301, o\u0302\u0323, \u1112\u1161\u11ab") == "café, Ǻ, ộ, 한");
  CHECK(nfc("a\u0323\u0327 \u0301e") == "ạ\u0327 \u0301e");  // which comes before a mark of its class
  CHECK(nfc("\u212b \u0344 \u0958") == "Å \u0308\u0301 \u0915\u093c");  // never put together again
}

TEST_CASE("a vocabulary of one very long token is loaded and matched in linear time") {
  std::string const token(megabyte, 'a');
  wordpiece const model({{"[UNK]", 0}, {"a", 1}, {"##a", 2}, {token, 3}}, {.max_word_chars = megabyte});
  ids found;
  model.append(token, found);
  CHECK(found == ids{3});
  found.clear();
  model.append(token.substr(1), found);
  CHECK(found.size() == megabyte - 1);
  CHECK(found.front() == 1);
  CHECK(found.back() == 2);
}

TEST_CASE("ASCII is copied and classified as byte by byte, wherever it begins and ends") {
  std::mt19937 random(2);
  for (int round = 0; round < 4000; ++round) {
    std::string text = random_text(random, "aZ09 .~!@[`{/:\t\n\r", random() % 150);
    if (!text.empty() && random() % 2 == 0) text[random() % text.size()] = static_cast<char>(random());
    std::string fast(text.size(), '?');
    std::string plain = fast;
    bool const lowercase = random() % 2 == 0;
    auto const copied = ascii::copy_clean(text.data(), text.size(), lowercase, fast.data());
    REQUIRE(copied == ascii::portable::copy_clean(text.data(), text.size(), lowercase, plain.data()));
    REQUIRE(fast.substr(0, copied) == plain.substr(0, copied));

    text.resize((text.size() + 63) / 64 * 64, ' ');
    std::vector<std::uint64_t> bits[4];
    for (auto& each : bits) each.resize(text.size() / 64);
    ascii::classify(text.data(), text.size(), bits[0].data(), bits[1].data());
    ascii::portable::classify(text.data(), text.size(), bits[2].data(), bits[3].data());
    REQUIRE(bits[0] == bits[2]);
    REQUIRE(bits[1] == bits[3]);
  }
}

TEST_CASE("every byte is found wherever it stands, and not where it does not") {
  std::vector<unsigned char> bytes(100 + ascii::find_slack, 7);
  for (std::size_t i = 0; i < 100; ++i) {
    bytes[i] = 9;
    CHECK(ascii::find_byte(bytes.data(), 100, 9) == i);
    CHECK(ascii::find_byte(bytes.data(), i, 9) >= i);
    bytes[i] = 7;
  }
}

TEST_CASE("a text of a megabyte has the tokens of its lines, with and without spaces to cut it at") {
  auto const tokens = bert("[UNK]\n[CLS]\n[SEP]\nab\n##c\n\u00e9\n\u4e2d\n.\ne\n");
  std::string const line = "abc \u00e9 \u4e2d. \u3000xyz\u2019ab ";
  ids const alone = tokens.encode(line).ids;
  std::string text;
  while (text.size() < megabyte) text += line;
  ids const all = tokens.encode(text).ids;
  std::size_t const each = alone.size() - 2;
  REQUIRE(all.size() == text.size() / line.size() * each + 2);
  for (std::size_t i = 0; i < all.size() - 2; ++i) REQUIRE(all[i + 1] == alone[i % each + 1]);

  CHECK(tokens.encode(std::string(megabyte, 'a')).ids == ids{1, 0, 2});
  CHECK(tokens.encode(std::string(megabyte, '.')).ids.size() == megabyte + 2);
  CHECK(tokens.encode(text, truncation{16}).ids.size() == 16);
}

TEST_CASE("words of 15, 16 and 17 bytes are found whole, and over the border of 64 bytes") {
  for (std::size_t size : {1, 2, 7, 8, 9, 15, 16, 17, 63, 64, 65, 100}) {
    std::string const word(size, 'q');
    auto const tokens = bert("[UNK]\n[CLS]\n[SEP]\n" + word + "\n");
    for (std::size_t before = 0; before < 130; ++before) {
      CAPTURE(size);
      CAPTURE(before);
      REQUIRE(tokens.encode(std::string(before, ' ') + word).ids == ids{1, 3, 2});
    }
  }
}

TEST_CASE("merges in a queue find what looking for the best one again and again finds") {
  std::mt19937 random(3);
  auto const vocabulary = byte_vocabulary({"aa", "ab", "ba", "aab", "aaaa", "abab", "baa", "aabaa"});
  for (int round = 0; round < 50; ++round) {
    std::vector<byte_level::bpe::merge_rule> rules = {{"a", "a"},   {"a", "b"},  {"b", "a"},
                                                      {"aa", "b"},  {"a", "ab"}, {"aa", "aa"},
                                                      {"ab", "ab"}, {"ba", "a"}, {"aab", "aa"}};
    std::shuffle(rules.begin(), rules.end(), random);
    byte_level::bpe const model(vocabulary, rules);
    byte_level::bpe_scratch scratch;
    for (int i = 0; i < 10; ++i) {
      std::string const word = random_text(random, "aaab", 1 + random() % 120);
      for (int again = 0; again < 2; ++again) {  // from the cache
        ids found;
        model.append(word, found, scratch);
        CAPTURE(word);
        REQUIRE(found == merge_plainly(vocabulary, rules, word));
      }
    }
  }
}

TEST_CASE("a word of a megabyte is merged in time that does not grow with its square") {
  byte_level::bpe const model(byte_vocabulary({"aa", "aaaa"}), {{"a", "a"}, {"aa", "aa"}});
  byte_level::bpe_scratch scratch;
  ids found;
  model.append(std::string(megabyte, 'a'), found, scratch);
  CHECK(found == ids(megabyte / 4, 257));
}

TEST_CASE("GPT-2's pattern keeps contractions and one space with what follows") {
  auto const words = [](std::string_view text) {
    std::vector<std::string> all;
    for (std::string_view word; byte_level::take_word(text, word);) all.emplace_back(word);
    return all;
  };
  using list = std::vector<std::string>;
  CHECK(words("it's we'll I'M 'tis") == list{"it", "'s", " we", "'ll", " I", "'", "M", " '", "tis"});
  CHECK(words("a  b\n\nc \n") == list{"a", " ", " b", "\n", "\n", "c", " \n"});
  CHECK(words("x12!? 3.5") == list{"x", "12", "!?", " 3", ".", "5"});
  CHECK(words("\u3000\u00e9\u4e2d\u0663 ") == list{"\u3000", "\u00e9\u4e2d", "\u0663", " "});
  CHECK(words("'") == list{"'"});
  CHECK(words("  ") == list{"  "});
}

TEST_CASE("a word's key is the same however it is read, and another for every other word") {
  std::string const text = "abcdefghijklmnopqrstuvwxyz";
  for (std::size_t size = 1; size <= word_key::max_bytes; ++size) {
    auto const loaded = word_key::load(text.data(), size);
    auto const copied = word_key::copy(std::string_view(text).substr(0, size));
    CHECK(loaded.low == copied.low);
    CHECK(loaded.high == copied.high);
    CHECK(loaded.bytes == copied.bytes);
    for (std::size_t i = 0; i < size; ++i) {
      std::string other = text.substr(0, size);
      other[i] = '\0';
      auto const changed = word_key::copy(other);
      CHECK((changed.low != copied.low || changed.high != copied.high));
    }
  }
}

TEST_CASE("one tokenizer serves several threads at once") {
  auto const tokens = bert("[UNK]\n[CLS]\n[SEP]\na\n##a\n##b\n\u00e9\n");
  std::vector<ids> results(4);
  auto const run = [&](ids& result) {
    for (std::uint64_t i = 0; i < 500; ++i) {
      auto const some = tokens.encode(tokenizer_corpus::random_string(i)).ids;
      result.insert(result.end(), some.begin(), some.end());
    }
  };
  ids alone;
  run(alone);
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  for (auto& result : results) threads.emplace_back([&] { run(result); });
  for (auto& thread : threads) thread.join();
  CHECK(std::count(results.begin(), results.end(), alone) == 4);
}

TEST_CASE("texts keep their order when several threads make their tokens") {
  auto const tokens = bert("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n##a\njob\n");
  std::vector<std::string> texts;
  for (std::size_t i = 0; i < 4000; ++i) texts.push_back(std::string(1 + i % 37, 'a') + " job");
  std::vector<std::string_view> const views(texts.begin(), texts.end());
  text_batches batches(tokens, {.cut = truncation{64}, .threads = 4}, views);
  std::size_t index = 0;
  while (!batches.empty()) {
    auto const batch = batches.next(16'896);
    for (std::size_t i = 0; i < batch.sequences(); ++i, ++index) {
      ids const row(batch.ids.begin() + static_cast<std::ptrdiff_t>(batch.starts[i]),
                    batch.ids.begin() + static_cast<std::ptrdiff_t>(batch.starts[i + 1]));
      REQUIRE(row == tokens.encode(texts.at(index), truncation{64}).ids);
    }
  }
  CHECK(index == texts.size());
}

TEST_CASE("a text of more tokens than a batch may have is one by itself") {
  auto const tokens = bert("[PAD]\n[UNK]\n[CLS]\n[SEP]\na\n");
  std::string longer;
  for (int i = 0; i < 100; ++i) longer += "a ";
  std::vector<std::string_view> const views{"a", longer, "a"};
  text_batches batches(tokens, {.cut = truncation{500}}, views);
  for (std::size_t const size : {3U, 102U, 3U}) {
    auto const batch = batches.next(20);
    REQUIRE(batch.sequences() == 1);
    CHECK(batch.tokens() == size);
  }
  CHECK(batches.empty());
}

TEST_CASE("a double array finds what a map has, and all that a text begins with, the shortest first") {
  std::mt19937 random(7);
  for (int round = 0; round < 60; ++round) {
    std::string const bytes = round % 2 == 0 ? std::string("\0\1ab\xff", 5) : [] {
      std::string all(256, ' ');
      for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<char>(i);
      return all;
    }();
    std::map<std::string, std::int32_t> plain;
    for (std::int32_t id = 0; id < 40 * round; ++id)
      plain[random_text(random, bytes, 1 + random() % (round % 2 == 0 ? 9 : 3))] = id;
    std::vector<double_array::entry> sorted;
    for (auto const& [text, id] : plain) sorted.push_back({text, id, id + 0.5});
    double_array const array(sorted);
    bool same = true;
    for (auto const& each : sorted) same = same && array.find(each.text) == each.id;
    for (int i = 0; i < 300; ++i) {
      auto const text = random_text(random, bytes, random() % 10);
      auto const known = plain.find(text);
      same = same && array.find(text) == (known == plain.end() ? std::nullopt : std::optional(known->second));
      std::vector<std::size_t> expected;
      for (std::size_t size = 1; size <= text.size(); ++size)
        if (plain.contains(text.substr(0, size))) expected.push_back(size);
      std::vector<std::size_t> found;
      array.for_each_prefix(text, [&](std::size_t size, std::int32_t id, double score) {
        found.push_back(size);
        same = same && plain.at(text.substr(0, size)) == id && score == id + 0.5;
      });
      same = same && found == expected;
    }
    CHECK(same);
  }
  CHECK(double_array().find("a") == std::nullopt);
}

namespace {

// Without a map of characters, and with a mark at words that have one only.
tokenizer unmapped_unigram(bool prepends) {
  std::vector<std::pair<std::string, double>> const pieces = {
      {"<unk>", 0}, {"\u2581", -2},    {"\u2581a", -3}, {"b", -4},
      {"the", -5},  {"\u2581the", -4}, {"\u0301", -3}};
  json const spaces = {
      {"type", "Metaspace"}, {"replacement", "\u2581"}, {"prepend_scheme", prepends ? "always" : "never"}};
  json const steps = {{"type", "Sequence"}, {"pretokenizers", {{{"type", "WhitespaceSplit"}}, spaces}}};
  json const value = {{"pre_tokenizer", steps},
                      {"model", {{"type", "Unigram"}, {"unk_id", 0}, {"vocab", pieces}}}};
  return parse_tokenizer_json(value.dump(), "tokenizer.json", {});
}

std::vector<tokenizer> make_unigrams() {
  mapped_file const file(std::filesystem::path(YONDER_GOLDENS) / "unigram" / "sentencepiece.bpe.model");
  std::vector<tokenizer> all;
  all.push_back(parse_sentencepiece(file.text(), "golden", {}));
  all.push_back(parse_sentencepiece(file.text(), "golden", {.add_prefix_space = false}));
  all.push_back(unmapped_unigram(true));
  all.push_back(unmapped_unigram(false));
  return all;
}

}  // namespace

TEST_CASE("words that Unigram gets in one pass have the tokens of the steps one after the other") {
  auto const tokenizers = make_unigrams();
  for (std::uint64_t index = 0; index < 3'000; ++index) {
    std::string text;
    std::uint64_t const strings = index % 100 == 0 ? 400 : 1;  // many: several chunks
    for (std::uint64_t i = 0; i < strings; ++i)
      text += tokenizer_corpus::random_string(50 * index + i, tokenizer_corpus::unigram_snippets());
    for (std::size_t which = 0; which < tokenizers.size(); ++which) {
      auto const& tokens = tokenizers[which];
      auto const all = tokens.encode(text).ids;
      auto const front = static_cast<std::ptrdiff_t>(tokens.special_tokens() / 2);
      CAPTURE(index);
      CAPTURE(which);
      REQUIRE(ids(all.begin() + front, all.end() - front) == tokens.place(text).ids);
    }
  }
}
