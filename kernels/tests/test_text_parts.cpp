// SPDX-License-Identifier: Apache-2.0
//
// The parts of the tokenizers against plain versions of themselves.
#include <doctest/doctest.h>

#include <map>
#include <random>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "model/ascii.hpp"
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

tokenizer bert(std::string const& vocabulary) { return parse_vocabulary(vocabulary, "vocab.txt", {}); }

}  // namespace

TEST_CASE("WordPiece in linear time finds what longest-match-first finds, for random vocabularies") {
  std::mt19937 random(1);
  for (int round = 0; round < 300; ++round) {
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
