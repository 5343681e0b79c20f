// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <exception>
#include <mutex>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "yonder/batched.hpp"
#include "yonder/exception.hpp"
#include "yonder/expected.hpp"
#include "yonder/file.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/question_answerer.hpp"
#include "yonder/ml/reranker.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"
#include "yonder/ml/token_classifier.hpp"
#include "yonder/ml/zero_shot_classifier.hpp"
#include "yonder/service.hpp"

namespace yonder::ml {

// About how many tokens a text has, special ones included, without its model's tokenizer; 512 at most, as
// longer texts are cut by most encoders.
inline std::uint64_t estimate_tokens(std::string const& text) noexcept {
  constexpr std::size_t letters_of_a_token = 8;  // a shorter word of English is one token, mostly
  std::uint64_t tokens = 2;
  std::size_t letters = 0;  // of the word so far
  for (char const each : text) {
    auto const byte = static_cast<unsigned char>(each);
    bool const letter =
        (byte >= 'a' && byte <= 'z') || (byte >= 'A' && byte <= 'Z') || (byte >= '0' && byte <= '9');
    if (letter)
      tokens += letters++ % letters_of_a_token == 0;
    else
      tokens += (byte > ' ' && byte < 0x80) || byte >= 0xC0;  // punctuation; a code point's first byte
    if (!letter) letters = 0;
  }
  return std::min<std::uint64_t>(tokens, 512);
}

namespace detail {

// A worker's model: one call makes tokens while another computes. On the CPU no two compute at once, as each
// takes all its threads; a GPU has two batches in flight.
template <class Model>
class hosted_model {
 public:
  hosted_model(std::string const& folder, text_options const& options)
      : model_(yonder::detail::carried_path(folder), options),
        alone_(model_.placement().starts_with("CPU")) {}

  Model const& get() const noexcept { return model_; }
  // False once a GPU serves this process no more.
  bool healthy() const noexcept { return healthy_; }

  // compute(tokens) gives a result for each text; a bad text has its own error instead.
  template <class Result, class Compute>
  std::vector<expected<Result, std::exception_ptr>> answer(std::span<std::string const> texts,
                                                           Compute compute) const {
    auto const tokens = model_.tokenize(texts);
    auto results = run([&] { return compute(tokens); });
    std::vector<expected<Result, std::exception_ptr>> outcomes;
    outcomes.reserve(results.size());
    for (std::size_t i = 0; i < results.size(); ++i) {
      if (auto error = tokens.error(i))
        outcomes.emplace_back(unexpected(std::move(error)));
      else
        outcomes.emplace_back(std::move(results[i]));
    }
    return outcomes;
  }

  // compute(), when its turn comes.
  template <class Compute>
  auto run(Compute compute) const try {
    std::unique_lock turn(computing_, std::defer_lock);
    if (alone_) turn.lock();
    return compute();
  } catch (gpu_unusable const&) {
    healthy_ = false;
    throw;
  }

 private:
  Model model_;
  bool const alone_;
  mutable std::mutex computing_;
  mutable std::atomic<bool> healthy_{true};
};

// What ends a text's own call: the others of its batch go on.
inline bool is_of_one_text(std::exception const& error) noexcept {
  return dynamic_cast<text_error const*>(&error) != nullptr ||
         dynamic_cast<inconsistent_model const*>(&error) != nullptr ||
         dynamic_cast<std::invalid_argument const*>(&error) != nullptr;
}

// run(requests) gives a result for each, or throws for all; then each is run by itself.
template <class Result, class Request, class Run>
void answer_together(std::span<Request const> requests, Run const& run,
                     std::vector<expected<Result, std::exception_ptr>>& found) try {
  for (auto& each : run(requests)) found.emplace_back(std::move(each));
} catch (std::exception const& error) {
  if (!is_of_one_text(error)) throw;
  if (requests.size() == 1) return found.push_back(unexpected(std::current_exception()));
  for (std::size_t i = 0; i < requests.size(); ++i) answer_together(requests.subspan(i, 1), run, found);
}

// The same for requests that follow each other and are alike.
template <class Result, class Request, class Alike, class Run>
std::vector<expected<Result, std::exception_ptr>> answer_alike(std::span<Request const> requests,
                                                               Alike const& alike, Run const& run) {
  std::vector<expected<Result, std::exception_ptr>> found;
  found.reserve(requests.size());
  while (!requests.empty()) {
    auto const end = std::ranges::find_if_not(
        requests, [&](Request const& each) { return alike(each, requests.front()); });
    auto const count = static_cast<std::size_t>(end - requests.begin());
    answer_together(requests.first(count), run, found);
    requests = requests.subspan(count);
  }
  return found;
}

template <class Request>
std::vector<std::string> texts_of(std::span<Request const> requests) {
  std::vector<std::string> texts;
  texts.reserve(requests.size());
  for (auto const& request : requests) texts.push_back(request.text);
  return texts;
}

// A service of one class, with text_options that may be left out.
template <class Hosted, yonder::detail::fixed_string Name>
class model_service {
  using of = service<Hosted(std::string, text_options), Name>;

 public:
  static constexpr std::string_view name = of::name;  // under which it travels

  constexpr model_service(service_options settings = {.max = 1}) : service_(settings) {}

  // The service of the model in `folder`, which is found on the worker: a path, also of what was carried
  // there (yonder::launch::pool::files), or a name as text_classifier's constructor knows them. Each pair of
  // folder and options has workers of its own.
  [[nodiscard]] instance<Hosted> operator()(std::string const& folder, text_options options = {}) const {
    return service_(folder, options);
  }

  // The same with these settings, all of them.
  [[nodiscard]] constexpr model_service with(service_options settings) const {
    return model_service(settings);
  }
  [[nodiscard]] constexpr service_options const& settings() const { return service_.settings(); }  // its own

 private:
  of service_;
};

inline std::uint64_t estimate_tokens_of_pair(text_pair const& pair) noexcept {
  return std::min<std::uint64_t>(estimate_tokens(pair.first) + estimate_tokens(pair.second), 512);
}

// While a batch computes another one is in the worker's hands already: the others may collect for as long.
inline constexpr batch_options<std::string> by_tokens{
    .max_size = 256, .max_wait = std::chrono::hours(1), .max_weight = 2048, .weight = estimate_tokens};

inline constexpr batch_options<text_pair> pairs_by_tokens{.max_size = 256,
                                                          .max_wait = std::chrono::milliseconds(5),
                                                          .max_weight = 2048,
                                                          .weight = estimate_tokens_of_pair};

}  // namespace detail

// What a worker of classifier_service holds. Any of its methods is called by a yonder::method or
// yonder::batched of it, as those below are.
class hosted_classifier {
 public:
  static constexpr unsigned concurrency = 2;  // one batch becomes tokens while another computes

  hosted_classifier(std::string const& folder, text_options const& options) : host_(folder, options) {}

  // The label with the highest score for each text, or its own error.
  std::vector<expected<label_score, std::exception_ptr>> classify(std::span<std::string const> texts) const {
    return host_.answer<label_score>(texts, [&](auto& tokens) { return host_.get()(tokens); });
  }
  // All labels, in the order of labels().
  std::vector<expected<std::vector<label_score>, std::exception_ptr>> scores(
      std::span<std::string const> texts) const {
    return host_.answer<std::vector<label_score>>(texts,
                                                  [&](auto& tokens) { return host_.get().scores(tokens); });
  }
  // As text_classifier says it.
  std::vector<std::string> labels() const {
    auto const all = host_.get().labels();
    return {all.begin(), all.end()};
  }
  std::string placement() const { return host_.get().placement(); }  // likewise
  // False once a GPU serves this process no more: another worker takes its place.
  bool healthy() const noexcept { return host_.healthy(); }

 private:
  detail::hosted_model<text_classifier> host_;
};

// A text's vector, and how many tokens its model saw.
struct embedded_text {
  std::vector<float> values;  // as the encoder makes them
  std::uint64_t tokens = 0;   // with the special ones, after cutting
  bool operator==(embedded_text const&) const = default;
};

// A text whose windows become vectors, and how.
struct window_request {
  std::string text;             // UTF-8
  std::size_t overlap = 0;      // tokens that neighbours share
  encode_options options = {};  // of this text alone
};

// What a worker of encoder_service holds.
class hosted_encoder {
 public:
  static constexpr unsigned concurrency = 2;  // as hosted_classifier's

  hosted_encoder(std::string const& folder, text_options const& options) : host_(folder, options) {}

  // A vector for each text, or its own error.
  std::vector<expected<std::vector<float>, std::exception_ptr>> encode(
      std::span<std::string const> texts) const {
    return host_.answer<std::vector<float>>(texts, [&](auto& tokens) { return host_.get()(tokens); });
  }
  // The same with the number of tokens.
  std::vector<expected<embedded_text, std::exception_ptr>> embed(std::span<std::string const> texts) const {
    return host_.answer<embedded_text>(texts, [&](auto& tokens) {
      auto vectors = host_.get()(tokens);
      auto const counts = tokens.token_counts();
      std::vector<embedded_text> all;
      for (std::size_t i = 0; i < vectors.size(); ++i) all.push_back({std::move(vectors[i]), counts[i]});
      return all;
    });
  }
  // The windows of each text, or its own error. Those that follow each other with the same overlap and
  // options are computed together.
  std::vector<expected<std::vector<encoded_window>, std::exception_ptr>> encode_windows(
      std::span<window_request const> requests) const {
    auto const alike = [](auto const& a, auto const& b) {
      return a.overlap == b.overlap && a.options == b.options;
    };
    return detail::answer_alike<std::vector<encoded_window>>(
        requests, alike, [this](std::span<window_request const> some) {
          auto const texts = detail::texts_of(some);
          return host_.run(
              [&] { return host_.get().encode_windows(texts, some.front().overlap, some.front().options); });
        });
  }
  // As sentence_encoder says it.
  std::size_t dimension() const noexcept { return host_.get().dimension(); }
  std::string placement() const { return host_.get().placement(); }  // likewise
  bool healthy() const noexcept { return host_.healthy(); }          // as hosted_classifier's

 private:
  detail::hosted_model<sentence_encoder> host_;
};

// What a worker of reranker_service holds.
class hosted_reranker {
 public:
  hosted_reranker(std::string const& folder, text_options const& options) : host_(folder, options) {}

  // A score for each pair of query and document, or its own error. Throws std::logic_error where the model
  // has several labels.
  std::vector<expected<float, std::exception_ptr>> score(std::span<text_pair const> pairs) const {
    std::vector<expected<float, std::exception_ptr>> found;
    found.reserve(pairs.size());
    detail::answer_together(
        pairs, [this](std::span<text_pair const> some) { return scores_of(some); }, found);
    return found;
  }
  std::string placement() const { return host_.get().placement(); }  // as reranker says it
  bool healthy() const noexcept { return host_.healthy(); }          // as hosted_classifier's

 private:
  std::vector<float> scores_of(std::span<text_pair const> pairs) const {
    auto const& model = host_.get();
    std::vector<float> scores;
    scores.reserve(pairs.size());
    if (!pairs.empty() && model.labels().size() != 1)
      (void)model(pairs.front().first, pairs.front().second);  // throws
    for (auto const& row : host_.run([&] { return model.scores(pairs); })) scores.push_back(row.front());
    return scores;
  }

  detail::hosted_model<reranker> host_;
};

// A text in which entities are looked for, and how.
struct entity_request {
  std::string text;             // UTF-8
  entity_options options = {};  // of this text alone
};

// What a worker of token_classifier_service holds.
class hosted_token_classifier {
 public:
  hosted_token_classifier(std::string const& folder, text_options const& options) : host_(folder, options) {}

  // The entities in each text, or its own error. Those that follow each other with the same options are
  // computed together.
  std::vector<expected<std::vector<entity>, std::exception_ptr>> find(
      std::span<entity_request const> requests) const {
    auto const alike = [](auto const& a, auto const& b) { return a.options == b.options; };
    return detail::answer_alike<std::vector<entity>>(
        requests, alike, [this](std::span<entity_request const> some) {
          auto const texts = detail::texts_of(some);
          return host_.run([&] { return host_.get()(texts, some.front().options); });
        });
  }
  std::vector<std::string> labels() const {  // as token_classifier says it
    auto const all = host_.get().labels();
    return {all.begin(), all.end()};
  }
  std::string placement() const { return host_.get().placement(); }  // likewise
  bool healthy() const noexcept { return host_.healthy(); }          // as hosted_classifier's

 private:
  detail::hosted_model<token_classifier> host_;
};

// A text, and labels of which some may fit it.
struct zero_shot_request {
  std::string text;                 // UTF-8
  std::vector<std::string> labels;  // likewise
  zero_shot_options options = {};   // of this text alone
};

// What a worker of zero_shot_service holds.
class hosted_zero_shot_classifier {
 public:
  hosted_zero_shot_classifier(std::string const& folder, text_options const& options)
      : host_(folder, options) {}

  // All labels for each text, the best one first, or its own error. Texts that follow each other with the
  // same labels and options are computed together.
  std::vector<expected<std::vector<label_score>, std::exception_ptr>> rate(
      std::span<zero_shot_request const> requests) const {
    auto const alike = [](auto const& a, auto const& b) {
      return a.labels == b.labels && a.options == b.options;
    };
    return detail::answer_alike<std::vector<label_score>>(
        requests, alike, [this](std::span<zero_shot_request const> some) {
          auto const texts = detail::texts_of(some);
          return host_.run([&] { return host_.get()(texts, some.front().labels, some.front().options); });
        });
  }
  std::string placement() const { return host_.get().placement(); }  // as zero_shot_classifier says it
  bool healthy() const noexcept { return host_.healthy(); }          // as hosted_classifier's

 private:
  detail::hosted_model<zero_shot_classifier> host_;
};

// A question, the text in which its answer is looked for, and how.
struct question_request {
  std::string question;         // UTF-8
  std::string text;             // likewise
  answer_options options = {};  // of this question alone
};

// What a worker of question_answerer_service holds.
class hosted_question_answerer {
 public:
  hosted_question_answerer(std::string const& folder, text_options const& options) : host_(folder, options) {}

  // The answers to each question, the best first, or its own error. Those that follow each other with the
  // same options are computed together.
  std::vector<expected<std::vector<answer>, std::exception_ptr>> answer_all(
      std::span<question_request const> requests) const {
    auto const alike = [](auto const& a, auto const& b) { return a.options == b.options; };
    return detail::answer_alike<std::vector<answer>>(
        requests, alike, [this](std::span<question_request const> some) {
          std::vector<text_pair> pairs;
          pairs.reserve(some.size());
          for (auto const& request : some) pairs.push_back({request.question, request.text});
          return host_.run([&] { return host_.get()(pairs, some.front().options); });
        });
  }
  std::string placement() const { return host_.get().placement(); }  // as question_answerer says it
  bool healthy() const noexcept { return host_.healthy(); }          // as hosted_classifier's

 private:
  detail::hosted_model<question_answerer> host_;
};

namespace detail {

inline std::uint64_t estimate_tokens_of_entities(entity_request const& request) noexcept {
  return estimate_tokens(request.text);
}
inline std::uint64_t estimate_tokens_of_question(question_request const& request) noexcept {
  return std::min<std::uint64_t>(estimate_tokens(request.question) + estimate_tokens(request.text), 512);
}

// What all of a text's windows, or its pairs with all labels, have together; no more than a batch may weigh.
inline std::uint64_t estimate_tokens_of_windows(window_request const& request) noexcept {
  return std::clamp<std::uint64_t>(request.text.size() / 4, 2, 2048);
}
inline std::uint64_t estimate_tokens_of_zero_shot(zero_shot_request const& request) noexcept {
  constexpr std::uint64_t of_hypothesis = 8;
  auto const each = estimate_tokens(request.text) + of_hypothesis;
  return std::min<std::uint64_t>(each * std::max<std::uint64_t>(request.labels.size(), 1), 2048);
}

inline constexpr batch_options<window_request> windows_by_tokens{.max_size = 256,
                                                                 .max_wait = std::chrono::milliseconds(5),
                                                                 .max_weight = 2048,
                                                                 .weight = estimate_tokens_of_windows};
inline constexpr batch_options<zero_shot_request> zero_shots_by_tokens{
    .max_size = 256,
    .max_wait = std::chrono::milliseconds(5),
    .max_weight = 2048,
    .weight = estimate_tokens_of_zero_shot};
inline constexpr batch_options<entity_request> entities_by_tokens{.max_size = 256,
                                                                  .max_wait = std::chrono::milliseconds(5),
                                                                  .max_weight = 2048,
                                                                  .weight = estimate_tokens_of_entities};
inline constexpr batch_options<question_request> questions_by_tokens{.max_size = 256,
                                                                     .max_wait = std::chrono::milliseconds(5),
                                                                     .max_weight = 2048,
                                                                     .weight = estimate_tokens_of_question};

}  // namespace detail

// Text classifiers on workers: each loads its model once, and answers the texts of all callers in batches of
// about 2,048 tokens; an idle one takes a text at once.
//
//   auto const sentiment = ml::classify.on(ml::classifier_service("ORG/NAME", {.device =
//   ml::device::automatic()})); sentiment.remote("good job").label;    // also local, spawn, map, …
//
// One worker for each model unless .with({.max = 4}) says otherwise: a model on the CPU takes all processors
// that its worker may run on. A folder that cannot be loaded fails the calls with worker_start_failed and the
// text of the model_error; a bad text (text_error, inconsistent_model) fails alone.
inline constexpr detail::model_service<hosted_classifier, "yonder::ml::classifier_service">
    classifier_service;
// Text → label_score, the best one.
inline constexpr batched<&hosted_classifier::classify, "yonder::ml::classify"> classify{detail::by_tokens};
// Text → vector<label_score>, all of them.
inline constexpr batched<&hosted_classifier::scores, "yonder::ml::classify_all"> classify_all{
    detail::by_tokens};

// Sentence encoders on workers, likewise.
inline constexpr detail::model_service<hosted_encoder, "yonder::ml::encoder_service"> encoder_service;
// Text → vector<float>.
inline constexpr batched<&hosted_encoder::encode, "yonder::ml::encode"> encode{detail::by_tokens};
// Text → embedded_text: with the tokens that it has.
inline constexpr batched<&hosted_encoder::embed, "yonder::ml::embed"> embed{detail::by_tokens};

// window_request → vector<encoded_window>: a long text's, each with its place.
inline constexpr batched<&hosted_encoder::encode_windows, "yonder::ml::encode_windows"> encode_windows{
    detail::windows_by_tokens};

// Rerankers on workers, likewise.
inline constexpr detail::model_service<hosted_reranker, "yonder::ml::reranker_service"> reranker_service;
// text_pair of query and document → float.
inline constexpr batched<&hosted_reranker::score, "yonder::ml::rerank"> rerank{detail::pairs_by_tokens};

// Zero-shot classifiers on workers, likewise: ml::rate_labels.on(ml::zero_shot_service("ORG/NLI"))
// .remote({"The train was late.", {"food", "travel"}}).
inline constexpr detail::model_service<hosted_zero_shot_classifier, "yonder::ml::zero_shot_service">
    zero_shot_service;
// zero_shot_request → vector<label_score>.
inline constexpr batched<&hosted_zero_shot_classifier::rate, "yonder::ml::rate_labels"> rate_labels{
    detail::zero_shots_by_tokens};

// Token classifiers on workers, likewise: ml::find_entities.on(ml::token_classifier_service("ORG/NER"))
// .remote({"Ana left Zürich"}).
inline constexpr detail::model_service<hosted_token_classifier, "yonder::ml::token_classifier_service">
    token_classifier_service;
// entity_request → vector<entity>.
inline constexpr batched<&hosted_token_classifier::find, "yonder::ml::find_entities"> find_entities{
    detail::entities_by_tokens};

// Question answerers on workers, likewise: ml::answer_question.on(ml::question_answerer_service("ORG/SQUAD"))
// .remote({"Who left?", "Ana left."}).
inline constexpr detail::model_service<hosted_question_answerer, "yonder::ml::question_answerer_service">
    question_answerer_service;
// question_request → vector<answer>.
inline constexpr batched<&hosted_question_answerer::answer_all, "yonder::ml::answer_question">
    answer_question{detail::questions_by_tokens};

// What a model throws comes back as itself.
inline constexpr exception_registration<model_error> model_error_travels;
inline constexpr exception_registration<missing_file> missing_file_travels;
inline constexpr exception_registration<malformed_file> malformed_file_travels;
inline constexpr exception_registration<truncated_file> truncated_file_travels;
inline constexpr exception_registration<inconsistent_model> inconsistent_model_travels;
inline constexpr exception_registration<unsupported_model> unsupported_model_travels;
inline constexpr exception_registration<text_error> text_error_travels;
inline constexpr exception_registration<invalid_utf8> invalid_utf8_travels;
inline constexpr exception_registration<text_too_long> text_too_long_travels;
inline constexpr exception_registration<gpu_error> gpu_error_travels;
inline constexpr exception_registration<gpu_unavailable> gpu_unavailable_travels;
inline constexpr exception_registration<gpu_out_of_memory> gpu_out_of_memory_travels;
inline constexpr exception_registration<gpu_unusable> gpu_unusable_travels;

}  // namespace yonder::ml
