// SPDX-License-Identifier: Apache-2.0
//
// The first job: is a text positive or negative? A service answers, whose model lives on workers; here, too.
#include <yonder/ml/services.hpp>
#include <yonder/yonder.hpp>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <thread>
#include <vector>

#include "arguments.hpp"
#include "screen.hpp"

namespace ml = yonder::ml;

namespace {

// The service: each worker loads the model, and computes on its share of this machine's processors, or on a
// GPU.
auto sentiment_model(arguments const& given) {
  ml::text_options const options{
      .device = ml::device::automatic(),
      .threads = std::max(1U, std::thread::hardware_concurrency() / given.workers)};
  return ml::classifier_service.with({.max = given.workers})(given.model, options);
}

// Text → ml::label_score.
using sentiment_task = decltype(ml::classify.on(sentiment_model({})));

using answer = yonder::expected<ml::label_score, yonder::error>;

std::vector<answer> classify_yonder(sentiment_task const& sentiment, std::vector<std::string> const& lines) {
  std::vector<answer> answers;
  show_progress(0, lines.size());
  for (auto& one : sentiment.map(lines).on_error(yonder::on_error::collect)) {
    answers.push_back(std::move(one));
    show_progress(answers.size(), lines.size());
  }
  return answers;
}

answer classify_here(sentiment_task const& sentiment, std::string const& text) {
  try {
    return sentiment.local(text);
  } catch (std::exception const& e) {
    return yonder::unexpected(yonder::error({.message = e.what(), .task = std::string(sentiment.name)}));
  }
}

void print_table(std::vector<std::string> const& lines, std::vector<answer> const& answers) {
  std::printf("%-56s %-9s %6s\n", "text", "label", "score");
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto const text = shortened(lines[i], 56);
    if (answers[i])
      std::printf("%s %-9s %6.3f\n", text.c_str(), answers[i]->label.c_str(),
                  static_cast<double>(answers[i]->score));
    else
      std::printf("%s %s\n", text.c_str(), answers[i].error().what());
  }
}

struct comparison {
  std::size_t agree = 0;   // both gave the same answer
  std::size_t failed = 0;  // both gave none
};

comparison compare(sentiment_task const& sentiment, std::vector<std::string> const& lines,
                   std::vector<answer> const& yonder_says) {
  comparison found;
  for (std::size_t i = 0; i < lines.size(); ++i) {
    auto const& there = yonder_says[i];
    auto const here = classify_here(sentiment, lines[i]);
    found.failed += !here && !there;
    found.agree +=
        here && there && here->label == there->label && std::abs(here->score - there->score) <= 1e-5F;
  }
  return found;
}

std::vector<std::string> classified(std::vector<std::string> const& lines,
                                    std::vector<answer> const& answers) {
  std::vector<std::string> good;
  for (std::size_t i = 0; i < lines.size(); ++i)
    if (answers[i]) good.push_back(lines[i]);
  return good;
}

void show_times(sentiment_task const& sentiment, std::vector<std::string> const& lines) {
  double const here_ms = median_ms(lines, [&](auto& line) { (void)classify_here(sentiment, line); });
  double const yonder_ms = median_ms(lines, [&](auto& line) { (void)sentiment.try_remote(line); });
  std::printf("\na local call takes %.3f ms, a remote call %.3f ms (median of %zu texts)\n", here_ms,
              yonder_ms, lines.size());
}

// False: some text was classified otherwise on a worker than here, or nowhere.
bool demonstrate(sentiment_task const& sentiment, std::vector<std::string> const& lines) {
  auto const yonder_says = classify_yonder(sentiment, lines);
  print_table(lines, yonder_says);
  auto const found = compare(sentiment, lines, yonder_says);
  show_times(sentiment, classified(lines, yonder_says));
  std::printf("demo: local and remote agree on %zu of %zu texts\n", found.agree, lines.size());
  if (found.failed != 0) std::printf("demo: %zu failed, here and on workers\n", found.failed);
  return found.agree == lines.size();
}

}  // namespace

int main(int argc, char** argv) {
  auto const given = yonder::is_worker() ? arguments{} : parse(argc, argv);
  try {
    yonder::runtime here(argc, argv, {.hub = given.connect, .bind = given.bind, .keys = given.keys});
    auto const lines = lines_of(given.file);
    auto const model = sentiment_model(given);
    std::printf("here the model computes on: %s\n", model.local().placement().c_str());
    return demonstrate(ml::classify.on(model), lines) ? EXIT_SUCCESS : EXIT_FAILURE;
  } catch (std::exception const& e) {
    std::fprintf(stderr, "sentiment: %s\n", e.what());
    return EXIT_FAILURE;
  }
}
