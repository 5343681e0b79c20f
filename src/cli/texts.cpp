// SPDX-License-Identifier: Apache-2.0
#include "src/cli/texts.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <limits>
#include <stdexcept>
#include <vector>

#include "src/cli/json_text.hpp"
#include "src/cli/output.hpp"
#include "yonder/ml/errors.hpp"
#include "yonder/ml/reranker.hpp"
#include "yonder/ml/sentence_encoder.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace yonder::cli {
namespace {

using lines = std::vector<std::string>;

constexpr std::size_t lines_at_once = 256;

ml::text_options options_of(texts_order const& order) {
  if (order.device == "cpu") return {};
  return {.device = order.device == "cuda" ? ml::device::cuda() : ml::device::automatic()};
}

// The shortest text that reads as the same float.
std::string in_words(float number) {
  char text[32];
  return {text, std::to_chars(text, text + sizeof text, number).ptr};
}

// The lines of a file, or of standard input.
class line_reader {
 public:
  explicit line_reader(std::string const& name)
      : name_(name == "-" ? "standard input" : name), from_(&std::cin) {
    if (name == "-") return;
    file_.open(name, std::ios::binary);
    if (!file_) throw std::invalid_argument("cannot read " + name + "; name a file with a text in each line");
    from_ = &file_;
  }

  // The next ones, at most so many; none at the end. Throws where the rest cannot be read.
  lines next(std::size_t most) {
    lines some;
    for (std::string line; some.size() < most && std::getline(*from_, line);) {
      if (line.ends_with('\r')) line.pop_back();
      some.push_back(std::move(line));
    }
    // std::cin takes an error for the end.
    if (from_->bad() || (from_ == &std::cin && std::ferror(stdin) != 0))
      throw std::runtime_error("cannot read " + name_ + " to its end; is it a folder?");
    return some;
  }

 private:
  std::string name_;
  std::ifstream file_;
  std::istream* from_;
};

// How far it is, where a person sees it.
class progress {
 public:
  explicit progress(texts_order const& order)
      : shown_(::isatty(STDERR_FILENO) == 1 && (order.file != "-" || ::isatty(STDIN_FILENO) == 0) &&
               ::isatty(STDOUT_FILENO) == 0) {}
  ~progress() {
    if (shown_) std::cerr << '\n';
  }
  progress(progress const&) = delete;
  progress& operator=(progress const&) = delete;

  void add(std::size_t count) {
    done_ += count;
    if (!shown_) return;
    std::chrono::duration<double> const time = std::chrono::steady_clock::now() - begin_;
    std::cerr << '\r' << done_ << " lines, "
              << static_cast<std::size_t>(static_cast<double>(done_) / time.count()) << " a second "
              << std::flush;
  }

 private:
  bool shown_;
  std::size_t done_ = 0;
  std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
};

std::string words_of(std::exception_ptr const& error) {
  try {
    std::rethrow_exception(error);
  } catch (std::exception const& found) {
    return found.what();
  }
}

// print(line, i) writes what the batch's results say of a line that the model can take.
template <class Model, class Run, class Print>
int for_each_line(texts_order const& order, Model const& model, Run&& run, Print&& print) {
  line_reader reader(order.file);
  progress shown(order);
  std::size_t number = 0;
  int outcome = EXIT_SUCCESS;
  for (auto some = reader.next(lines_at_once); !some.empty(); some = reader.next(lines_at_once)) {
    auto const tokens = model.tokenize(some);
    auto const results = run(tokens);
    for (std::size_t i = 0; i < some.size(); ++i) {
      ++number;
      if (auto const error = tokens.error(i)) {
        outcome = EXIT_FAILURE;
        auto const words = words_of(error);
        std::cerr << "yonder: line " << number << ": " << words << '\n';
        std::cout << (order.json ? "{\"error\": " + in_json(words) + "}" : "") << '\n';
      } else {
        print(some[i], results[i]);
      }
    }
    flush_output();
    shown.add(some.size());
  }
  return outcome;
}

std::string scores_in_json(std::vector<ml::label_score> const& scores) {
  std::string made = "{";
  for (auto const& each : scores)
    made += (made.size() == 1 ? "" : ", ") + in_json(each.label) + ": " + in_words(each.score);
  return made + "}";
}

}  // namespace

int classify(texts_order const& order) {
  ml::text_classifier const model(order.model, options_of(order));
  auto const run = [&](ml::tokenized_texts const& tokens) { return model.scores(tokens); };
  return for_each_line(order, model, run, [&](std::string const& line, auto const& scores) {
    auto const best = *std::ranges::max_element(scores, {}, &ml::label_score::score);
    if (order.json) {
      std::cout << "{\"text\": " << in_json(line) << ", \"label\": " << in_json(best.label)
                << ", \"score\": " << in_words(best.score);
      if (order.all) std::cout << ", \"scores\": " << scores_in_json(scores);
      std::cout << "}\n";
    } else if (order.all) {
      for (auto const& each : scores) std::cout << each.label << '\t' << in_words(each.score) << '\t';
      std::cout << line << '\n';
    } else {
      std::cout << best.label << '\t' << in_words(best.score) << '\t' << line << '\n';
    }
  });
}

int embed(texts_order const& order) {
  ml::sentence_encoder const model(order.model, options_of(order));
  ml::encode_options const how{.prompt_name = order.prompt_name};
  auto const run = [&](ml::tokenized_texts const& tokens) { return model(tokens); };
  struct prompted {
    ml::sentence_encoder const& model;
    ml::encode_options const& how;
    auto tokenize(lines const& texts) const { return model.tokenize(texts, how); }
  };
  return for_each_line(order, prompted{model, how}, run, [&](std::string const& line, auto const& row) {
    if (order.json) std::cout << "{\"text\": " << in_json(line) << ", \"vector\": [";
    for (std::size_t i = 0; i < row.size(); ++i)
      std::cout << (i == 0 ? "" : order.json ? ", " : "\t") << in_words(row[i]);
    std::cout << (order.json ? "]}\n" : "\n");
  });
}

int rerank(texts_order const& order) {
  ml::reranker const model(order.model, options_of(order));
  line_reader reader(order.file);
  auto const documents = reader.next(std::numeric_limits<std::size_t>::max());
  auto const most = order.most == 0 ? documents.size() : order.most;
  for (auto const& [index, score] : model.rank(order.query, documents, most, {order.overlap})) {
    if (order.json)
      std::cout << "{\"score\": " << in_words(score) << ", \"line\": " << index + 1
                << ", \"text\": " << in_json(documents[index]) << "}\n";
    else
      std::cout << in_words(score) << '\t' << index + 1 << '\t' << documents[index] << '\n';
  }
  return EXIT_SUCCESS;
}

}  // namespace yonder::cli
