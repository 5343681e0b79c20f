// SPDX-License-Identifier: Apache-2.0
//
// Goldens: tools/make_goldens.py.
#include <doctest/doctest.h>
#include <stdlib.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <functional>
#include <numeric>
#include <span>
#include <thread>
#include <type_traits>

#include "cpu/heads.hpp"
#include "model/json.hpp"
#include "model/sentence_folder.hpp"
#include "model/tokenizer.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/question_answerer.hpp"
#include "yonder/ml/reranker.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"
#include "yonder/ml/token_classifier.hpp"
#include "yonder/ml/zero_shot_classifier.hpp"

namespace {

using namespace yonder::kernels;
using rows = std::vector<std::vector<float>>;

std::filesystem::path golden_folder(char const* name) { return std::filesystem::path(YONDER_GOLDENS) / name; }

struct golden {
  explicit golden(char const* name)
      : folder(golden_folder(name)),
        value(read_json(folder / "golden.json")),
        texts(value["texts"]),
        views(texts.begin(), texts.end()) {}

  // ||out - float64|| / ||float64|| over all texts.
  double error_of(rows const& out) const {
    double error = 0.0;
    double size = 0.0;
    REQUIRE(out.size() == texts.size());
    for (std::size_t i = 0; i < out.size(); ++i) {
      REQUIRE(out[i].size() == value["float64"][i].size());
      for (std::size_t j = 0; j < out[i].size(); ++j) {
        double const expected = value["float64"][i][j];
        error += (out[i][j] - expected) * (out[i][j] - expected);
        size += expected * expected;
      }
    }
    return std::sqrt(error / size);
  }

  // What the targets allow: twice PyTorch's own error in float32.
  double allowed() const {
    return 2.0 * std::min(value["torch_error"].get<double>(), value["torch_padded_error"].get<double>());
  }

  std::filesystem::path folder;
  json value;
  std::vector<std::string> texts;
  std::vector<std::string_view> views;
};

// A golden model that a test changes.
struct scratch_folder {
  explicit scratch_folder(char const* name) {
    std::string pattern = (std::filesystem::temp_directory_path() / "yonder-kernels-XXXXXX").string();
    path = ::mkdtemp(pattern.data());
    std::filesystem::copy(golden_folder(name), path, std::filesystem::copy_options::recursive);
  }
  ~scratch_folder() { std::filesystem::remove_all(path); }
  scratch_folder(scratch_folder const&) = delete;
  scratch_folder& operator=(scratch_folder const&) = delete;

  std::filesystem::path path;
};

constexpr char const* classifiers[] = {"bert-classifier",  "distilbert-classifier",
                                       "legacy-bert",      "roberta-classifier",
                                       "mpnet-classifier", "modernbert-classifier"};

}  // namespace

TEST_CASE("tokens of every golden model are those of transformers") {
  for (char const* name : {"bert-classifier", "distilbert-classifier", "legacy-bert", "sentence-encoder",
                           "roberta-classifier", "mpnet-classifier", "modernbert-classifier"}) {
    CAPTURE(std::string(name));
    golden const expected(name);
    auto const loaded = load_tokenizer(expected.folder);
    std::size_t const limit =
        name == std::string_view("sentence-encoder") ? 24 : loaded.max_length.value_or(40);
    for (std::size_t i = 0; i < expected.texts.size(); ++i) {
      CHECK(loaded.tokens.encode(expected.texts[i], truncation{limit}).ids ==
            expected.value["ids"][i].get<std::vector<std::int32_t>>());
    }
  }
}

TEST_CASE("logits are at most twice as far from float64 as PyTorch's, one by one and in a batch") {
  for (char const* name : classifiers) {
    CAPTURE(std::string(name));
    golden const expected(name);
    yonder::ml::text_classifier const model(expected.folder);
    rows single;
    for (auto const& text : expected.views) single.push_back(model.logits({&text, 1}).front());
    double const error = expected.error_of(single);
    MESSAGE(std::string(name) << ": error " << error << ", allowed " << expected.allowed());
    CHECK(error <= expected.allowed());
    CHECK(model.logits(expected.views) == single);
  }
}

TEST_CASE("CamemBERT's weights are RoBERTa's") {
  golden const expected("roberta-classifier");
  scratch_folder const folder("roberta-classifier");
  json config = read_json(folder.path / "config.json");
  config["model_type"] = "camembert";
  config["architectures"] = {"CamembertForSequenceClassification"};
  std::ofstream(folder.path / "config.json") << config;
  yonder::ml::text_classifier const model(folder.path);
  CHECK(model.logits(expected.views) == yonder::ml::text_classifier(expected.folder).logits(expected.views));
}

TEST_CASE("sentence vectors are at most twice as far from float64 as PyTorch's, one by one and in a batch") {
  golden const expected("sentence-encoder");
  yonder::ml::sentence_encoder const model(expected.folder);
  REQUIRE(model.dimension() == 24);
  rows single;
  for (auto const& text : expected.views) single.push_back(model(text));
  double const error = expected.error_of(single);
  MESSAGE("error " << error << ", allowed " << expected.allowed());
  CHECK(error <= expected.allowed());
  CHECK(model(std::span<std::string_view const>(expected.views)) == single);
  CHECK(model(std::span<std::string const>(expected.texts)) == single);
}

TEST_CASE("a text's tokens may be made apart from what is computed of them, and a bad text stands alone") {
  golden const expected("bert-classifier");
  yonder::ml::text_classifier const model(expected.folder);
  auto texts = expected.texts;
  auto const labels = model(std::span<std::string const>(texts));
  CHECK(model(model.tokenize(texts)) == labels);
  texts[1] = "bad \xff";
  auto const tokens = model.tokenize(texts);
  REQUIRE(tokens.size() == texts.size());
  auto const found = model(tokens);
  auto const scores = model.scores(tokens);
  for (std::size_t i = 0; i < texts.size(); ++i) {
    CHECK((tokens.error(i) == nullptr) == (i != 1));
    CHECK(found[i] == (i == 1 ? yonder::ml::label_score{} : labels[i]));
    CHECK(scores[i] == (i == 1 ? std::vector<yonder::ml::label_score>{} : model.scores(texts[i])));
  }
  CHECK_THROWS_AS(std::rethrow_exception(tokens.error(1)), yonder::ml::invalid_utf8);
  CHECK(model(model.tokenize({})).empty());
  std::vector<std::string> const long_ones(40, std::string(3000, 'x') + " y");
  CHECK(model(model.tokenize(long_ones)) == model(std::span<std::string const>(long_ones)));

  golden const other("sentence-encoder");
  yonder::ml::sentence_encoder const encoder(other.folder);
  CHECK(encoder(encoder.tokenize(other.texts)) == encoder(std::span<std::string const>(other.texts)));
  CHECK(encoder(encoder.tokenize(texts))[1].empty());
  CHECK_THROWS_WITH_AS(encoder(tokens), doctest::Contains("made by another model"), std::invalid_argument);
}

TEST_CASE("16-bit checkpoints keep their weights so in fp32, and in no other precision") {
  auto const name_of = [](char const* golden, yonder::ml::precision precision) {
    auto const folder = golden_folder(golden);
    weight_files const files(folder);
    cpu::encoder const encoder(files, read_config(folder).encoder, cpu::best_kernels(), {precision, 1});
    return std::string(encoder.kernel_name());
  };
  auto const& best = cpu::best_kernels();
  auto const fp32 = yonder::ml::precision::fp32;
  CHECK(name_of("bert-classifier", fp32) == best.fp32->name);
  if (best.fp32_of_f16 != nullptr) CHECK(name_of("modernbert-classifier", fp32) == best.fp32_of_f16->name);
  if (best.fp32_of_bf16 != nullptr) CHECK(name_of("legacy-bert", fp32) == best.fp32_of_bf16->name);
  CHECK(name_of("legacy-bert", yonder::ml::precision::bf16) == best.bf16->name);
}

TEST_CASE("a long text has a vector for each of its windows, and a short one that of itself") {
  yonder::ml::sentence_encoder const encoder(golden_folder("sentence-encoder"), {.max_tokens = 8});
  std::string const text =
      "good bad movie film great plot acting never fun sad time slow quite";  // a token each
  auto const windows = encoder.encode_windows(text, 2);
  REQUIRE(windows.size() == 3);
  CHECK(windows.front().begin == 0);
  CHECK(windows.back().end == text.size());
  for (auto const& each : windows)
    CHECK(each.values == encoder(std::string_view(text).substr(each.begin, each.end - each.begin)));
  CHECK(windows[1].begin == text.find("great"));
  auto const alone = encoder.encode_windows("good job", 2);
  CHECK(alone == std::vector<yonder::ml::encoded_window>{{encoder("good job"), 0, 8}});

  yonder::ml::encode_options const asked{.prompt = "not at ", .truncate_dim = 5};
  auto const prompted = encoder.encode_windows(text, 1, asked);
  REQUIRE(prompted.size() == 4);
  for (auto const& each : prompted)
    CHECK(each.values == encoder(std::string_view(text).substr(each.begin, each.end - each.begin), asked));
  CHECK(prompted[1].begin == text.find("film"));

  std::vector<std::string> const many(100, text);  // more than are read at once
  auto const all = encoder.encode_windows(many, 2);
  REQUIRE(all.size() == 100);
  CHECK(all.back() == windows);
  CHECK(encoder.encode_windows("", 2).size() == 1);
  CHECK_THROWS_AS(encoder.encode_windows(text, 6), std::invalid_argument);
  try {
    encoder.encode_windows("ab\xff", 2, asked);
    FAIL("not refused");
  } catch (yonder::ml::invalid_utf8 const& error) {
    CHECK(error.offset() == 2);
  }
}

TEST_CASE("a document that is too long has the score of its best window behind the whole query") {
  yonder::ml::reranker const model(golden_folder("legacy-bert"), {.max_tokens = 10});
  std::string const text = "good bad movie film great plot acting never fun sad time slow quite";
  std::string_view const view = text;
  auto const part = [&](char const* first, char const* last) {
    auto const begin = view.find(first);
    return view.substr(begin, view.find(last) + std::string_view(last).size() - begin);
  };
  // Two tokens of the query and three special ones leave five.
  auto const parts = {part("good", "great"), part("great", "fun"), part("fun", "quite")};
  float best = model("terrible job", *parts.begin());
  for (auto const each : parts) best = std::max(best, model("terrible job", each));
  CHECK(model("terrible job", text, {.overlap = 1}) == best);
  CHECK(model("terrible job", "good", {.overlap = 1}) == model("terrible job", "good"));
  CHECK(model("terrible job", text, {}) == model("terrible job", text));
  std::vector<std::string> const documents{"bad movie", text, "slow"};
  auto const ranked = model.rank("terrible job", documents, 3, {.overlap = 1});
  REQUIRE(ranked.size() == 3);
  for (auto const& each : ranked) {
    if (each.index == 1)
      CHECK(each.score == best);
    else
      CHECK(each.score == model("terrible job", documents[each.index]));
  }
  CHECK_THROWS_AS(model("terrible job", text, {.overlap = 5}), yonder::ml::text_too_long);
  CHECK_THROWS_AS(model(text, text, {.overlap = 0}), yonder::ml::text_too_long);
  CHECK_THROWS_AS(yonder::ml::reranker(golden_folder("bert-classifier"))("a", "b", {.overlap = 1}),
                  std::logic_error);
}

TEST_CASE("a reranker puts the best documents first, and one of several labels has no one score") {
  yonder::ml::reranker const model(golden_folder("legacy-bert"));
  std::vector<std::string> const documents{"bad movie", "good job", "slow slow", "good job"};
  auto const ranked = model.rank("good", documents);
  REQUIRE(ranked.size() == 4);
  for (auto const& each : ranked) CHECK(each.score == model("good", documents[each.index]));
  CHECK(std::ranges::is_sorted(ranked, [](auto const& a, auto const& b) { return a.score > b.score; }));
  auto const place = [&](std::size_t index) {
    return std::ranges::find(ranked, index, &yonder::ml::ranked_text::index) - ranked.begin();
  };
  CHECK(place(3) == place(1) + 1);  // equal, and so in their order
  auto const best = model.rank("good", documents, 2);
  CHECK(best == std::vector(ranked.begin(), ranked.begin() + 2));
  CHECK(model.rank("good", {}).empty());
  CHECK(model.scores({}).empty());
  CHECK_THROWS_AS(model("good", "\xff"), yonder::ml::invalid_utf8);
  std::vector<yonder::ml::text_pair> many(1500, {"good", "bad movie"});  // more than are tokenized at once
  many.back().second = "good job";
  auto const scores = model.scores(many);
  REQUIRE(scores.size() == many.size());
  CHECK(scores[1400].front() == model("good", "bad movie"));
  CHECK(scores.back().front() == model("good", "good job"));

  yonder::ml::reranker const three(golden_folder("bert-classifier"));
  CHECK(three.scores(std::vector<yonder::ml::text_pair>{{"good", "bad"}}).front().size() == 3);
  CHECK_THROWS_WITH_AS(three("good", "bad"), doctest::Contains("has 3 labels"), std::logic_error);
  CHECK_THROWS_AS(three.rank("good", {}), std::logic_error);

  yonder::ml::reranker const strict(golden_folder("legacy-bert"), {.max_tokens = 6, .truncate = false});
  CHECK_NOTHROW(strict("good", "bad"));
  CHECK_THROWS_AS(strict("good job", "bad movie"), yonder::ml::text_too_long);
  yonder::ml::reranker const narrow(golden_folder("legacy-bert"), {.max_tokens = 4});
  CHECK_THROWS_WITH_AS(narrow("good", "bad"), doctest::Contains("no room for two texts"),
                       std::invalid_argument);
}

TEST_CASE("a zero-shot classifier asks for one place for the label, and a model that knows entailment") {
  CHECK_THROWS_WITH_AS(yonder::ml::zero_shot_classifier(golden_folder("bert-classifier")),
                       doctest::Contains("0 labels that begin with"), yonder::ml::unsupported_model);
  scratch_folder const folder("bert-classifier");
  auto config = read_json(folder.path / "config.json");
  config["label2id"] = {{"contradiction", 0}, {"neutral", 1}, {"entailment", 2}};
  std::ofstream(folder.path / "config.json") << config;
  yonder::ml::zero_shot_classifier const model(folder.path);
  std::vector<std::string> const labels{"good", "bad", "good"};
  auto const found = model("good job", labels, {.hypothesis_template = "it was {}!"});
  REQUIRE(found.size() == 3);
  CHECK(found[0].score >= found[1].score);
  CHECK(found[1].score >= found[2].score);
  CHECK(std::abs(found[0].score + found[1].score + found[2].score - 1) < 1e-6F);
  CHECK(found != model("good job", labels));
  auto const alone = model("good job", std::vector<std::string>{"bad"});
  CHECK(alone == model("good job", std::vector<std::string>{"bad"}, {.multi_label = true}));
  CHECK(model("good job", {}).empty());
  for (char const* wrong : {"no place", "{} and {}", "{} {x}", "{0}"})
    CHECK_THROWS_AS(model("good", labels, {.hypothesis_template = wrong}), std::invalid_argument);
  std::string hypothesis;
  for (int i = 0; i < 60; ++i) hypothesis += "good ";
  CHECK_THROWS_AS(model("good", labels, {.hypothesis_template = hypothesis + "{}"}),
                  yonder::ml::text_too_long);
}

TEST_CASE("every instruction set is as exact as the bound asks") {
  golden const expected("bert-classifier");
  auto const config = read_config(expected.folder);
  weight_files const files(expected.folder);
  for (auto const* const kernels : cpu::available_kernels()) {
    CAPTURE(std::string(kernels->name));
    cpu::encoder const encoder(files, config.encoder, *kernels);
    cpu::classification_head const head(files, config.encoder, config.classifier.labels.size(), *kernels,
                                        encoder.workers());
    cpu::token_batch batch;
    for (std::vector<std::int32_t> const ids : expected.value["ids"]) {
      batch.ids.insert(batch.ids.end(), ids.begin(), ids.end());
      batch.type_ids.resize(batch.ids.size(), 0);
      batch.starts.push_back(batch.ids.size());
    }
    auto const logits = head(batch, encoder(batch));
    rows out;
    for (auto at = logits.begin(); at != logits.end(); at += 3) out.emplace_back(at, at + 3);
    CHECK(expected.error_of(out) <= expected.allowed());
  }
}

TEST_CASE("where rotary positions end and no file states a length, a longer text is refused and not cut") {
  scratch_folder const folder("modernbert-classifier");
  auto settings = read_json(folder.path / "tokenizer_config.json");
  std::string text;
  for (int i = 0; i < 200; ++i) text += "never slow ";
  settings["model_max_length"] = 170;  // which is that of the positions
  std::ofstream(folder.path / "tokenizer_config.json") << settings;
  CHECK_NOTHROW(yonder::ml::text_classifier(folder.path)(text));
  settings["model_max_length"] = 171;
  std::ofstream(folder.path / "tokenizer_config.json") << settings;
  yonder::ml::text_classifier const model(folder.path);
  CHECK_THROWS_AS(model(text), yonder::ml::text_too_long);
  CHECK_NOTHROW(model("never slow"));
  CHECK_NOTHROW(yonder::ml::text_classifier(folder.path, {.max_tokens = 100})(text));
}

TEST_CASE("a text's result has the same bits whatever stands beside it in the batch") {
  golden const expected("bert-classifier");
  yonder::ml::text_classifier const model(expected.folder);
  auto const forward = model.logits(expected.views);
  std::vector<std::string_view> turned(expected.views.rbegin(), expected.views.rend());
  turned.insert(turned.end(), 200, expected.views[12]);  // more than go through the encoder at once
  auto const backward = model.logits(turned);
  for (std::size_t i = 0; i < forward.size(); ++i) CHECK(backward[forward.size() - 1 - i] == forward[i]);
  CHECK(std::all_of(backward.begin() + static_cast<std::ptrdiff_t>(forward.size()), backward.end(),
                    [&](auto const& row) { return row == forward[12]; }));
}

TEST_CASE("a result has the same bits whatever the threads, in every precision") {
  golden const expected("bert-classifier");
  for (auto const precision :
       {yonder::ml::precision::fp32, yonder::ml::precision::bf16, yonder::ml::precision::int8}) {
    yonder::ml::text_classifier const one(expected.folder, {.compute = precision, .threads = 1});
    yonder::ml::text_classifier const four(expected.folder, {.compute = precision, .threads = 4});
    auto const together = one.logits(expected.views);
    CHECK(four.logits(expected.views) == together);
    for (std::size_t i = 0; i < expected.views.size(); ++i)
      CHECK(four.logits({&expected.views[i], 1}).front() == together[i]);
  }
}

TEST_CASE(
    "bf16 and int8 stay within their bounds of float64, and keep the label where the margin exceeds it") {
  struct bound {
    yonder::ml::precision precision;
    double error;
  };
  golden const expected("bert-classifier");
  for (bound const each :
       {bound{yonder::ml::precision::bf16, 1e-2}, bound{yonder::ml::precision::int8, 5e-2}}) {
    yonder::ml::text_classifier const model(expected.folder, {.compute = each.precision});
    auto const logits = model.logits(expected.views);
    double const error = expected.error_of(logits);
    MESSAGE("precision " << static_cast<int>(each.precision) << ": error " << error);
    CHECK(error <= each.error);
    for (std::size_t i = 0; i < logits.size(); ++i) {
      std::vector<double> exact = expected.value["float64"][i];
      auto const winner = std::max_element(exact.begin(), exact.end()) - exact.begin();
      auto const found = std::max_element(logits[i].begin(), logits[i].end()) - logits[i].begin();
      double const size = std::sqrt(std::inner_product(exact.begin(), exact.end(), exact.begin(), 0.0));
      std::nth_element(exact.begin(), exact.begin() + 1, exact.end(), std::greater<>());
      double const margin = *std::max_element(exact.begin(), exact.end()) - exact[1];
      if (margin > 4 * each.error * size) CHECK(found == winner);
    }
  }
}

TEST_CASE("the best label and all scores agree with the logits") {
  golden const expected("bert-classifier");
  yonder::ml::text_classifier const model(expected.folder);
  REQUIRE(std::vector<std::string>(model.labels().begin(), model.labels().end()) ==
          std::vector<std::string>{"negative", "neutral", "positive"});
  auto const best = model(std::span<std::string_view const>(expected.views));
  CHECK(best == model(std::span<std::string const>(expected.texts)));
  for (std::size_t i = 0; i < expected.texts.size(); ++i) {
    auto const scores = model.scores(expected.texts[i]);
    REQUIRE(scores.size() == 3);
    CHECK(scores[0].score + scores[1].score + scores[2].score == doctest::Approx(1.0));
    std::vector<double> const logits = expected.value["float64"][i];
    auto const winner =
        static_cast<std::size_t>(std::max_element(logits.begin(), logits.end()) - logits.begin());
    CHECK(best[i].label == model.labels()[winner]);
    CHECK(best[i] == model(expected.texts[i]));
    CHECK(best[i] == scores[winner]);
  }
}

TEST_CASE("several labels at once get a sigmoid each, a regression its bare value") {
  yonder::ml::text_classifier const several(golden_folder("distilbert-classifier"));
  std::string_view const text = "good job";
  auto const logits = several.logits({&text, 1}).front();
  auto const scores = several.scores(text);
  for (std::size_t i = 0; i < logits.size(); ++i) {
    CHECK(scores[i].score == doctest::Approx(1.0 / (1.0 + std::exp(-logits[i]))));
  }
  yonder::ml::text_classifier const regression(golden_folder("legacy-bert"));
  CHECK(regression(text).score == regression.logits({&text, 1}).front().front());
  CHECK(regression(text).label == "LABEL_0");
}

TEST_CASE("an empty batch gives an empty result, an empty text a sensible one") {
  yonder::ml::text_classifier const model(golden_folder("bert-classifier"));
  CHECK(model(std::span<std::string_view const>()).empty());
  CHECK(model("").score > 0.0F);
  CHECK(std::isfinite(model(" \t\n ").score));
  CHECK(model(" \t\n ") == model(""));
}

TEST_CASE("hundreds of texts keep their order and their bits, whatever number of threads tokenizes them") {
  yonder::ml::text_classifier const alone(golden_folder("bert-classifier"), {.threads = 1});
  yonder::ml::text_classifier const several(golden_folder("bert-classifier"), {.threads = 4});
  std::vector<std::string> texts;
  for (int i = 0; i < 1500; ++i)
    texts.push_back(std::string(static_cast<std::size_t>(i % 37), 'a') + " good job");
  std::vector<std::string_view> const views(texts.begin(), texts.end());
  auto const together = several.logits(views);
  REQUIRE(together.size() == texts.size());
  for (std::size_t i = 0; i < 37; ++i) {
    auto const one = alone.logits({&views[i], 1}).front();
    for (std::size_t same = i; same < views.size(); same += 37) REQUIRE(together[same] == one);
  }
}

TEST_CASE("one text that is not UTF-8 among many fails the call, and the model lives") {
  yonder::ml::text_classifier const model(golden_folder("bert-classifier"));
  std::vector<std::string_view> texts(2000, "not good at all");
  auto const good = model(std::span<std::string_view const>(texts));
  for (std::size_t bad : {std::size_t{0}, std::size_t{1000}, std::size_t{1999}}) {
    texts[bad] = "bad \xff";
    CHECK_THROWS_AS(model(std::span<std::string_view const>(texts)), yonder::ml::invalid_utf8);
    texts[bad] = "not good at all";
  }
  CHECK(model(std::span<std::string_view const>(texts)) == good);
}

TEST_CASE("a text of a megabyte is cut as Hugging Face cuts it, or refused where that is asked for") {
  std::string text;
  while (text.size() < (1U << 20)) text += "this movie is terrible. ";
  for (char const* name : classifiers) {
    CAPTURE(std::string(name));
    yonder::ml::text_classifier const model(golden_folder(name));
    CHECK(model(text) == model(text.substr(0, 4800)));
    yonder::ml::text_classifier const strict(golden_folder(name), {.truncate = false});
    CHECK_THROWS_AS(strict(text), yonder::ml::text_too_long);
    CHECK_NOTHROW(strict("good job"));
  }
}

TEST_CASE("one model serves several threads at once") {
  golden const expected("bert-classifier");
  yonder::ml::text_classifier const model(expected.folder);
  auto const alone = model.logits(expected.views);
  std::vector<rows> results(4);
  std::vector<std::thread> threads;
  threads.reserve(results.size());
  for (auto& result : results) threads.emplace_back([&] { result = model.logits(expected.views); });
  for (auto& thread : threads) thread.join();
  CHECK(std::ranges::count(results, alone) == 4);
}

TEST_CASE("a plain encoder folder is a sentence encoder with mean pooling") {
  auto const folder = read_sentence_folder(golden_folder("bert-classifier"));
  CHECK(folder.pooling == std::vector<pooling_mode>{pooling_mode::mean});
  CHECK(folder.after.empty());
  yonder::ml::sentence_encoder const model(golden_folder("bert-classifier"));
  CHECK(model("good job").size() == 24);
}

TEST_CASE(
    "a prompt by its name gives what the same prompt gives as the default, in the pooling or out of it") {
  for (bool const include : {true, false}) {
    CAPTURE(include);
    scratch_folder const folder("sentence-encoder");
    std::ofstream(folder.path / "1_Pooling/config.json")
        << json{{"pooling_mode", "mean"}, {"include_prompt", include}};
    auto const settings = folder.path / "config_sentence_transformers.json";
    json given = {{"prompts", {{"query", "good film: "}, {"passage", "bad "}}}};
    std::ofstream(settings) << given;
    yonder::ml::sentence_encoder const model(folder.path);
    given["default_prompt_name"] = "query";
    std::ofstream(settings) << given;
    yonder::ml::sentence_encoder const asks(folder.path);
    std::vector<std::string> const texts{"a movie", "slow", "never slower, never sadder"};
    auto const usual = asks(std::span(texts));
    CHECK(model(texts, {.prompt_name = "query"}) == usual);
    CHECK(model(texts, {.prompt = "good film: "}) == usual);
    CHECK(asks(texts, {.prompt = ""}) == model(std::span(texts)));
    CHECK(asks(texts, {.prompt_name = "document"}) == model(std::span(texts)));
    CHECK(model(model.tokenize(texts, {.prompt_name = "query"})) == usual);
    CHECK(model(texts[0], {.prompt_name = "passage"}) != model(texts[0]));
    CHECK((model("bad a movie") == model("a movie", {.prompt_name = "passage"})) == include);
    auto const few = model(texts[1], {.prompt_name = "query", .truncate_dim = 5});
    CHECK(few == std::vector(usual[1].begin(), usual[1].begin() + 5));
    CHECK(model(texts[1], {.truncate_dim = 100}).size() == 24);
    CHECK(model.prompt_names() == std::vector<std::string>{"document", "passage", "query"});
    CHECK_THROWS_WITH_AS(model("a", {.prompt_name = "search"}),
                         doctest::Contains("no prompt \"search\", but: document, passage, query"),
                         std::invalid_argument);
    try {
      model("a \xff", {.prompt_name = "query"});
      FAIL("not refused");
    } catch (yonder::ml::invalid_utf8 const& error) {
      CHECK(error.offset() == 2);
    }
  }
}

// Whatever carries plain aggregates carries these, and knows their members' names.
static_assert(std::is_aggregate_v<yonder::ml::label_score> && std::is_aggregate_v<yonder::ml::ranked_text> &&
              std::is_aggregate_v<yonder::ml::entity> && std::is_aggregate_v<yonder::ml::answer> &&
              std::is_aggregate_v<yonder::ml::text_pair>);

TEST_CASE("the demo model gives the tokens and the logits that its training script recorded" *
          doctest::skip(!std::filesystem::exists(std::filesystem::path(YONDER_DEMO_MODEL) / "golden.json"))) {
  std::filesystem::path const folder = YONDER_DEMO_MODEL;
  yonder::ml::text_classifier const model(folder);
  auto const loaded = load_tokenizer(folder);
  json const golden_file = read_json(folder / "golden.json");
  auto const& cases = golden_file["cases"];
  REQUIRE(cases.size() > 10);
  double error = 0.0;
  double size = 0.0;
  for (auto const& each : cases) {
    std::string const text = each["text"];
    CAPTURE(text);
    CHECK(loaded.tokens.encode(text, truncation{128}).ids ==
          each["input_ids"].get<std::vector<std::int32_t>>());
    std::string_view const view = text;
    auto const logits = model.logits({&view, 1}).front();
    std::vector<double> const expected = each["logits"];
    REQUIRE(logits.size() == expected.size());
    for (std::size_t i = 0; i < logits.size(); ++i) {
      error += (logits[i] - expected[i]) * (logits[i] - expected[i]);
      size += expected[i] * expected[i];
    }
  }
  MESSAGE("error " << std::sqrt(error / size));
  CHECK(std::sqrt(error / size) < 1e-6);
}
