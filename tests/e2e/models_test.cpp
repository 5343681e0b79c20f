// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <latch>
#include <thread>

#include "tests/e2e/fixture.hpp"
#include "tests/e2e/folder.hpp"
#include "yonder/ml/services.hpp"
#include "yonder/yonder.hpp"

namespace ml = yonder::ml;

namespace e2e::models {

using texts = std::vector<std::string>;

inline constexpr yonder::method<&ml::hosted_classifier::placement, "e2e.placement"> placement_of;

texts sample() {
  return {"good job",
          "not good at all",
          "The soup was warm, the bread was fresh and the waiter remembered our names.",
          "I want my money back.",
          "",
          "well, \xe4\xb8\xad\xe6\x96\x87"};
}

TEST_CASE("a classifier on workers says what it says here, alone and among others") {
  auto const model = ml::classifier_service(DEMO_MODEL);
  auto const sentiment = ml::classify.on(model);
  CHECK(sentiment.remote("good job").label == "POSITIVE");
  CHECK(sentiment("not good at all").label == "NEGATIVE");
  ml::text_classifier const here(DEMO_MODEL);
  std::vector<ml::label_score> found;
  for (auto& one : sentiment.map(sample())) found.push_back(one);
  auto const all = sample();
  CHECK(found == here(std::span<std::string const>(all)));
  CHECK(sentiment.local("good job") == here("good job"));
  CHECK(ml::classify_all.on(model).remote("good job") == here.scores("good job"));
}

TEST_CASE("an encoder on workers gives the vectors that it gives here") {
  auto const vector = ml::encode.on(ml::encoder_service(GOLDENS "/sentence-encoder"));
  ml::sentence_encoder const here(GOLDENS "/sentence-encoder");
  CHECK(vector.remote("good job") == here("good job"));
  CHECK(vector.remote("good job").size() == here.dimension());
  auto const embedded = ml::embed.on(ml::encoder_service(GOLDENS "/sentence-encoder")).remote("good job");
  CHECK(embedded.values == here("good job"));
  std::vector<std::string> const two{"bad \xff", "good job"};
  CHECK(here.tokenize(two).token_counts() == std::vector<std::size_t>{0, embedded.tokens});
  std::vector<std::vector<float>> found;
  for (auto& one : vector.map(sample())) found.push_back(one);
  auto const all = sample();
  CHECK(found == here(std::span<std::string const>(all)));
}

TEST_CASE("a reranker on workers scores pairs of all callers as it does here, and a bad pair fails alone") {
  auto const score = ml::rerank.on(ml::reranker_service(GOLDENS "/legacy-bert"));
  ml::reranker const here(GOLDENS "/legacy-bert");
  std::vector<ml::text_pair> const pairs{{"good", "good job"}, {"good", "bad \xff"}, {"good", "bad movie"}};
  std::vector<yonder::call<float>> calls;
  for (auto const& pair : pairs) calls.push_back(score.spawn(pair));
  CHECK(calls[0].get() == here("good", "good job"));
  CHECK_THROWS_AS(calls[1].get(), ml::invalid_utf8);
  CHECK(calls[2].get() == here("good", "bad movie"));
  auto const together = ml::hosted_reranker(GOLDENS "/legacy-bert", {}).score(pairs);
  REQUIRE(together.size() == 3);
  CHECK(*together[0] == here("good", "good job"));
  CHECK_FALSE(together[1].has_value());
  CHECK(*together[2] == here("good", "bad movie"));
  CHECK_THROWS_AS(ml::rerank.on(ml::reranker_service(DEMO_MODEL)).remote({"a", "b"}), std::logic_error);
}

TEST_CASE("long texts have a vector for each window on workers, too, each text by its own options") {
  auto const windows = ml::encode_windows.on(ml::encoder_service(GOLDENS "/sentence-encoder"));
  ml::sentence_encoder const here(GOLDENS "/sentence-encoder");
  std::string long_text = "good";
  for (int i = 0; i < 60; ++i) long_text += i % 2 == 0 ? " bad job" : " not at all";
  ml::encode_options const prompted{.prompt = "not ", .truncate_dim = 4};
  std::vector<ml::window_request> const requests{{long_text, 3},           {"good job", 3},
                                                 {long_text, 3, prompted}, {"bad \xff", 3, prompted},
                                                 {long_text, 1, prompted}, {long_text, 1000}};
  CHECK(here.encode_windows(long_text, 3).size() > 5);
  CHECK(windows.remote(requests[0]) == here.encode_windows(long_text, 3));
  CHECK(windows.remote(requests[4]) == here.encode_windows(long_text, 1, prompted));
  CHECK_THROWS_AS(windows.remote(requests[3]), ml::invalid_utf8);
  CHECK_THROWS_AS(windows.remote(requests[5]), std::invalid_argument);
  auto const found = ml::hosted_encoder(GOLDENS "/sentence-encoder", {}).encode_windows(requests);
  REQUIRE(found.size() == requests.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    bool const bad = i == 3 || i == 5;
    REQUIRE(found[i].has_value() != bad);
    if (!bad)
      CHECK(*found[i] == here.encode_windows(requests[i].text, requests[i].overlap, requests[i].options));
  }
}

// The golden classifier, one of whose labels says entailment.
class entailing_model {
 public:
  entailing_model() {
    std::filesystem::copy(GOLDENS "/bert-classifier", path());
    std::ifstream file(folder_ / "config.json");
    std::string config{std::istreambuf_iterator<char>(file), {}};
    config.replace(config.find("positive"), 8, "entailment");
    std::ofstream(folder_ / "config.json") << config;
  }
  std::string path() const { return folder_ / ""; }

 private:
  folder folder_;
};

TEST_CASE("a zero-shot classifier on workers rates labels as it does here, each text by its own") {
  entailing_model const model;
  auto const topics = ml::rate_labels.on(ml::zero_shot_service(model.path()));
  ml::zero_shot_classifier const here(model.path());
  texts const two{"good", "a slow movie"};
  std::vector<ml::zero_shot_request> const requests{{"good job", two},
                                                    {"bad job", two},
                                                    {"bad \xff", two},
                                                    {"bad job", {"sad"}},
                                                    {"bad job", two, {.multi_label = true}},
                                                    {"bad job", two, {.hypothesis_template = "none"}}};
  CHECK(topics.remote(requests[0]) == here("good job", two));
  CHECK(topics.remote(requests[4]) == here("bad job", two, {.multi_label = true}));
  CHECK_THROWS_AS(topics.remote(requests[2]), ml::invalid_utf8);
  CHECK_THROWS_AS(topics.remote(requests[5]), std::invalid_argument);
  auto const found = ml::hosted_zero_shot_classifier(model.path(), {}).rate(requests);
  REQUIRE(found.size() == requests.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    bool const bad = i == 2 || i == 5;
    REQUIRE(found[i].has_value() != bad);
    if (!bad) CHECK(*found[i] == here(requests[i].text, requests[i].labels, requests[i].options));
  }
  auto const together = here(texts{"good job", "bad job"}, two);
  CHECK(together[1] == here("bad job", two));
}

// The golden model whose weights are of `head`.
class headed_model {
 public:
  explicit headed_model(std::string const& head) {
    std::filesystem::copy(GOLDENS "/modernbert-heads", path());
    std::ifstream file(folder_ / "config.json");
    std::string config{std::istreambuf_iterator<char>(file), {}};
    config.insert(config.find('{') + 1, R"("architectures": ["ModernBertFor)" + head + R"("],)");
    std::ofstream(folder_ / "config.json") << config;
  }
  std::string path() const { return folder_ / ""; }

 private:
  folder folder_;
};

TEST_CASE("a token classifier on workers finds what it finds here, each text by its own options") {
  headed_model const model("TokenClassification");
  auto const entities = ml::find_entities.on(ml::token_classifier_service(model.path()));
  ml::token_classifier const here(model.path());
  ml::entity_options const each{.aggregation = ml::aggregation::none};
  std::vector<ml::entity_request> const requests{{"good job"},
                                                 {"bad job", each},
                                                 {"bad \xff"},
                                                 {"a b", each},
                                                 {"a b", {.aggregation = each.aggregation, .overlap = 1}}};
  CHECK(entities.remote({"good job"}) == here("good job"));
  CHECK_FALSE(here("good job").empty());
  CHECK(entities.remote({"bad job", each}) == here("bad job", each));
  CHECK_THROWS_AS(entities.remote(requests[2]), ml::invalid_utf8);
  CHECK_THROWS_AS(entities.remote(requests[4]), std::invalid_argument);
  std::vector<ml::entity_request> together = requests;
  together.insert(together.begin(), {{"good job"}, {"so good"}, {"worse \xff"}});
  auto const found = ml::hosted_token_classifier(model.path(), {}).find(together);
  REQUIRE(found.size() == together.size());
  for (std::size_t i = 0; i < found.size(); ++i) {
    CAPTURE(i);
    bool const bad = i == 2 || i == 5 || i == 7;
    REQUIRE(found[i].has_value() != bad);
    if (!bad) CHECK(*found[i] == here(together[i].text, together[i].options));
  }
}

TEST_CASE("a question answerer on workers answers as it does here, and a bad text fails alone") {
  headed_model const model("QuestionAnswering");
  auto const reader = ml::answer_question.on(ml::question_answerer_service(model.path()));
  ml::question_answerer const here(model.path());
  ml::answer_options const three{.most = 3, .may_be_none = true, .overlap = 4};
  CHECK(reader.remote({"who left", "Ana left the house."}) == here("who left", "Ana left the house."));
  CHECK(reader.remote({"who left", "Ana left the house.", three}) ==
        here("who left", "Ana left the house.", three));
  std::vector<ml::question_request> const requests{
      {"who left", "Ana left."}, {"who left", "bad \xff"}, {"who", "Ana left the house.", three}};
  std::vector<yonder::call<std::vector<ml::answer>>> calls;
  for (auto const& request : requests) calls.push_back(reader.spawn(request));
  CHECK(calls[0].get() == here("who left", "Ana left."));
  CHECK_THROWS_AS(calls[1].get(), ml::invalid_utf8);
  CHECK(calls[2].get() == here("who", "Ana left the house.", three));
  CHECK_FALSE(here("who", "Ana left the house.", three).empty());
  auto const together = ml::hosted_question_answerer(model.path(), {}).answer_all(requests);
  REQUIRE(together.size() == 3);
  CHECK(*together[0] == here("who left", "Ana left."));
  CHECK_FALSE(together[1].has_value());
  CHECK(*together[2] == here("who", "Ana left the house.", three));
  std::vector<ml::text_pair> const pairs{{"who left", "Ana left."}, {"", "Ana left."}, {"who", "Ana."}};
  auto const all = here(pairs);
  REQUIRE(all.size() == 3);
  CHECK(all[0] == here("who left", "Ana left."));
  CHECK(all[1].empty());
  CHECK(all[2] == here("who", "Ana."));
}

TEST_CASE("a bad text fails alone, with what it throws here") {
  auto const strict =
      ml::classify.on(ml::classifier_service(DEMO_MODEL, {.max_tokens = 6, .truncate = false}));
  auto good = strict.spawn("good job");
  auto invalid = strict.spawn("good \xff job");
  auto too_long = strict.spawn("one two three four five six seven");
  CHECK(good.get().label == "POSITIVE");
  try {
    invalid.get();
    FAIL("it has a label");
  } catch (ml::invalid_utf8 const& error) {
    CHECK(error.offset() == 5);
  }
  try {
    too_long.get();
    FAIL("it has a label");
  } catch (ml::text_too_long const& error) {
    CHECK(error.max_tokens() == 6);
  }
  CHECK(strict.remote("good job").label == "POSITIVE");
}

TEST_CASE("a text of any length is one item of a batch") {
  CHECK(ml::classify.on(ml::classifier_service(DEMO_MODEL)).remote(std::string(300'000, '!')).label != "");
}

TEST_CASE("each folder and each set of options has workers of its own") {
  CHECK(placement_of.on(ml::classifier_service(DEMO_MODEL)).remote() == "CPU, fp32");
  CHECK(placement_of.on(ml::classifier_service(DEMO_MODEL, {.compute = ml::precision::int8})).remote() ==
        "CPU, int8");
}

TEST_CASE("a folder that holds no model fails its calls with the file's fault, and others work") {
  folder const empty;
  auto const missing =
      failure_of([&] { ml::classify.on(ml::classifier_service(empty / "")).remote("good job"); });
  CHECK(missing.code == yonder::errc::worker_start_failed);
  CHECK(missing.message.find("its service 'yonder::ml::classifier_service' was not made: "
                             "yonder::ml::missing_file: " +
                             (empty / "config.json")) != std::string::npos);
  std::ofstream(empty / "config.json") << "{";
  auto const malformed =
      failure_of([&] { ml::encode.on(ml::encoder_service(empty / "")).remote("good job"); });
  CHECK(malformed.code == yonder::errc::worker_start_failed);
  CHECK(malformed.message.find("yonder::ml::malformed_file: ") != std::string::npos);
  auto const odd = failure_of([] {
    ml::classify.on(ml::classifier_service(DEMO_MODEL, {.compute = ml::precision::fp16})).remote("good job");
  });
  CHECK(odd.code == yonder::errc::worker_start_failed);
  CHECK(odd.message.find("text_options::compute is fp16") != std::string::npos);
  CHECK(ml::classify.on(ml::classifier_service(DEMO_MODEL)).remote("good job").label == "POSITIVE");
}

// Computes only once another call has made its tokens.
struct slow_model {
  struct tokens {
    std::size_t texts;
    std::exception_ptr error(std::size_t) const { return nullptr; }
  };
  slow_model(std::string const&, ml::text_options const&) {}
  std::string placement() const { return "CPU"; }
  tokens tokenize(std::span<std::string const> some) const {
    if (computes) made.count_down();
    return {some.size()};
  }
  std::vector<int> operator()(tokens const& some) const {
    CHECK(inside.fetch_add(1) == 0);
    if (!computes.exchange(true)) {
      began.count_down();
      made.wait();
      for (int i = 0; i < 50; ++i) std::this_thread::yield();  // another would come in
    }
    inside.fetch_sub(1);
    return std::vector<int>(some.texts, 1);
  }
  static inline std::atomic<bool> computes{false};
  static inline std::atomic<int> inside{0};
  static inline std::latch began{1};
  static inline std::latch made{1};
};
TEST_CASE("tokens of one batch are made while another computes, and on the CPU no two compute at once") {
  static_assert(ml::hosted_classifier::concurrency == 2);
  ml::detail::hosted_model<slow_model> const host("", {});
  texts const some{"a", "b"};
  auto const run = [&] { return host.answer<int>(some, [&](auto& tokens) { return host.get()(tokens); }); };
  std::thread first([&] { run(); });
  slow_model::began.wait();
  CHECK(run().size() == 2);
  first.join();
}

TEST_CASE("a text's weight in a batch is about its number of tokens") {
  ml::text_classifier const model(DEMO_MODEL);
  std::ifstream file(TEXTS);
  double estimated = 0, made = 0;
  for (std::string line; std::getline(file, line);) {
    estimated += static_cast<double>(ml::estimate_tokens(line));
    made += static_cast<double>(model.tokenize(std::span<std::string const>(&line, 1)).tokens());
  }
  CHECK(made > 500);
  CHECK(estimated / made > 0.8);
  CHECK(estimated / made < 1.25);
  CHECK(ml::estimate_tokens("") == 2);
  CHECK(ml::estimate_tokens("\xe4\xb8\xad\xe6\x96\x87") == 4);
  CHECK(ml::estimate_tokens(std::string(5000, '.')) == 512);
}

}  // namespace e2e::models
