// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/question_answerer.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

#include "ml/answer_spans.hpp"
#include "ml/text_model.hpp"
#include "model/find_model.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::ml {
namespace {

constexpr std::size_t usual_window = 384;
constexpr std::size_t usual_overlap = 128;

}  // namespace

class question_answerer::implementation {
 public:
  implementation(std::filesystem::path const& folder, text_options const& options)
      : model_(folder, options, kernels::model_head::questions),
        window_(options.max_tokens != 0 ? model_.max_tokens() : std::min(model_.max_tokens(), usual_window)) {
    model_.expect_pairs();
    if (!model_.pads_left()) return;
    throw unsupported_model({(folder / "tokenizer_config.json").string(), "\"padding_side\": \"left\"",
                             "\"right\", as on the left the text stands before its question",
                             "set it to right if the model was trained so"});
  }

  std::vector<std::vector<answer>> find(std::span<kernels::text_pair_view const> questions,
                                        answer_options const& options) const {
    std::vector<std::vector<answer>> all;
    all.reserve(questions.size());
    while (!questions.empty()) {
      auto const some = questions.first(std::min(questions.size(), questions_at_once));
      find_in(some, options, all);
      questions = questions.subspan(some.size());
    }
    return all;
  }

  std::string placement() const { return model_.placement(); }

 private:
  static constexpr std::size_t questions_at_once = 64;

  void find_in(std::span<kernels::text_pair_view const> questions, answer_options const& options,
               std::vector<std::vector<answer>>& all) const {
    auto const overlap = options.overlap.value_or(std::min(window_ / 2, usual_overlap));
    std::vector<kernels::token_window> windows;
    std::vector<std::size_t> ends;  // of each question's windows
    for (auto const& each : questions) {
      if (!each.first.empty() && !each.second.empty()) {
        auto some = model_.windows(each, window_, overlap);
        windows.insert(windows.end(), std::move_iterator(some.begin()), std::move_iterator(some.end()));
      }
      ends.push_back(windows.size());
    }
    auto const rows = model_.run(windows);
    for (std::size_t i = 0, window = 0; i < questions.size(); ++i) {
      if (window == ends[i]) {  // nothing to look for, or nowhere
        all.emplace_back();
        continue;
      }
      kernels::answer_finder found(questions[i].second, model_.tokens().classification_id(), options);
      for (; window < ends[i]; ++window) found.add(windows[window], rows[window]);
      all.push_back(std::move(found).take());
    }
  }

  kernels::text_model model_;
  std::size_t window_;
};

question_answerer::question_answerer(std::filesystem::path const& folder, text_options options)
    : implementation_(std::make_unique<implementation const>(kernels::find_model(folder), options)) {}
question_answerer::question_answerer(question_answerer&&) noexcept = default;
question_answerer& question_answerer::operator=(question_answerer&&) noexcept = default;
question_answerer::~question_answerer() = default;

std::vector<answer> question_answerer::operator()(std::string_view question, std::string_view text,
                                                  answer_options const& options) const {
  kernels::text_pair_view const only{question, text};
  return std::move(implementation_->find({&only, 1}, options).front());
}

std::vector<std::vector<answer>> question_answerer::operator()(std::span<text_pair const> questions,
                                                               answer_options const& options) const {
  std::vector<kernels::text_pair_view> views;
  views.reserve(questions.size());
  for (auto const& each : questions) views.push_back({each.first, each.second});
  return implementation_->find(views, options);
}

std::string question_answerer::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
