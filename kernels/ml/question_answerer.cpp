// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/question_answerer.hpp"

#include <algorithm>
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

  std::vector<answer> find(std::string_view question, std::string_view text,
                           answer_options const& options) const {
    if (question.empty() || text.empty()) return {};
    auto const overlap = options.overlap.value_or(std::min(window_ / 2, usual_overlap));
    auto const windows = model_.windows({question, text}, window_, overlap);
    auto const rows = model_.run(windows);
    kernels::answer_finder found(text, model_.tokens().classification_id(), options);
    for (std::size_t i = 0; i < windows.size(); ++i) found.add(windows[i], rows[i]);
    return std::move(found).take();
  }

  std::string placement() const { return model_.placement(); }

 private:
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
  return implementation_->find(question, text, options);
}

std::string question_answerer::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
