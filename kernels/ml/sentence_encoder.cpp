// SPDX-License-Identifier: Apache-2.0
#include "yonder/ml/sentence_encoder.hpp"

#include <algorithm>
#include <exception>
#include <iterator>
#include <map>
#include <stdexcept>
#include <string>
#include <utility>

#include "ml/sentence_steps.hpp"
#include "ml/text_model.hpp"
#include "model/find_model.hpp"
#include "model/sentence_folder.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::ml {
namespace {

// What stands before texts, and how many of its tokens pooling leaves out.
struct prompt {
  std::string text;
  std::size_t skipped = 0;
};

std::vector<std::string_view> views_of(std::vector<std::string> const& texts) {
  return {texts.begin(), texts.end()};
}

std::vector<std::string> put_before(std::string const& prompt, std::span<std::string_view const> texts) {
  std::vector<std::string> all;
  all.reserve(texts.size());
  for (auto const text : texts) all.push_back(prompt + std::string(text));
  return all;
}

// In the caller's text.
std::exception_ptr without_prompt(std::exception_ptr const& error, std::size_t bytes) {
  if (error == nullptr || bytes == 0) return error;
  try {
    std::rethrow_exception(error);
  } catch (invalid_utf8 const& found) {
    return std::make_exception_ptr(invalid_utf8(found.offset() - bytes));
  } catch (...) {
    return error;
  }
}

}  // namespace

class sentence_encoder::implementation {
 public:
  implementation(kernels::sentence_folder const& folder, text_options const& options)
      : model_(folder, options),
        steps_(folder, model_.width(), options.threads),
        prompts_(folder.prompts),
        include_prompt_(folder.include_prompt),
        usual_(make_prompt(folder.prompt)) {}

  std::vector<std::vector<float>> encode(std::span<std::string_view const> texts) const {
    return encode(texts, usual_);
  }

  std::vector<std::vector<float>> encode(std::span<std::string_view const> texts,
                                         encode_options const& options) const {
    auto rows = encode(texts, choose(options));
    shorten(rows, options.truncate_dim);
    return rows;
  }

  std::vector<std::vector<encoded_window>> encode_windows(std::span<std::string_view const> texts,
                                                          std::size_t overlap,
                                                          encode_options const& options) const {
    auto const before = choose(options);
    std::vector<std::vector<encoded_window>> all;
    all.reserve(texts.size());
    while (!texts.empty()) {
      auto const some = texts.first(std::min(texts.size(), texts_at_once));
      encode_windows_of(some, before, overlap, options.truncate_dim, all);
      texts = texts.subspan(some.size());
    }
    return all;
  }

  tokenized_texts tokenize(std::span<std::string_view const> texts, encode_options const& options) const {
    auto const before = choose(options);
    auto rows = before.text.empty()
                    ? model_.tokenize(texts)
                    : model_.tokenize(views_of(put_before(before.text, texts)), before.skipped);
    for (auto& error : rows.errors) error = without_prompt(error, before.text.size());
    return tokenized_texts(std::make_unique<kernels::tokenized_rows const>(std::move(rows)));
  }

  std::vector<std::vector<float>> encode(tokenized_texts const& texts) const {
    auto rows = model_.run(texts.rows());
    steps_.apply(rows);
    return rows;
  }

  std::size_t dimension() const noexcept { return steps_.width(); }
  std::vector<std::string> prompt_names() const {
    std::vector<std::string> names;
    for (auto const& [name, text] : prompts_) names.push_back(name);
    return names;
  }
  std::string placement() const { return model_.placement(); }

 private:
  static constexpr std::size_t texts_at_once = 64;

  static void shorten(std::vector<std::vector<float>>& rows, std::size_t to) {
    if (to == 0) return;
    for (auto& row : rows) row.resize(std::min(row.size(), to));
  }

  void encode_windows_of(std::span<std::string_view const> texts, prompt const& before, std::size_t overlap,
                         std::size_t truncate_dim, std::vector<std::vector<encoded_window>>& all) const {
    std::vector<kernels::token_window> windows;
    std::vector<std::size_t> ends;  // of each text's windows
    for (auto const text : texts) {
      auto some = windows_with(before, text, overlap);
      windows.insert(windows.end(), std::move_iterator(some.begin()), std::move_iterator(some.end()));
      ends.push_back(windows.size());
    }
    auto rows = model_.run(windows, before.skipped);
    steps_.apply(rows);
    shorten(rows, truncate_dim);
    std::size_t next = 0;
    for (auto const end : ends) {
      auto& found = all.emplace_back();
      for (; next < end; ++next) {
        auto const [from, to] = kernels::place_of(windows[next]);
        std::size_t const bytes = before.text.size();
        found.push_back({std::move(rows[next]), std::max(from, bytes) - bytes, std::max(to, bytes) - bytes});
      }
    }
  }

  std::vector<kernels::token_window> windows_with(prompt const& before, std::string_view text,
                                                  std::size_t overlap) const {
    if (before.text.empty()) return model_.windows(text, overlap);
    try {
      return model_.windows(before.text + std::string(text), overlap, before.text.size());
    } catch (invalid_utf8 const&) {
      std::rethrow_exception(without_prompt(std::current_exception(), before.text.size()));
    }
  }

  prompt make_prompt(std::string const& text) const {
    return {text, include_prompt_ || text.empty() ? 0 : model_.prompt_tokens(text)};
  }

  prompt choose(encode_options const& options) const {
    if (options.prompt) return make_prompt(*options.prompt);
    if (!options.prompt_name) return usual_;
    auto const found = prompts_.find(*options.prompt_name);
    if (found != prompts_.end()) return make_prompt(found->second);
    std::string names;
    for (auto const& [name, text] : prompts_) names += (names.empty() ? "" : ", ") + name;
    throw std::invalid_argument("this model has no prompt \"" + *options.prompt_name + "\", but: " + names);
  }

  std::vector<std::vector<float>> encode(std::span<std::string_view const> texts,
                                         prompt const& before) const {
    auto rows = before.text.empty() ? model_.run(texts) : run_with(before, texts);
    steps_.apply(rows);
    return rows;
  }

  std::vector<std::vector<float>> run_with(prompt const& before,
                                           std::span<std::string_view const> texts) const {
    try {
      return model_.run(views_of(put_before(before.text, texts)), before.skipped);
    } catch (invalid_utf8 const&) {
      std::rethrow_exception(without_prompt(std::current_exception(), before.text.size()));
    }
  }

  kernels::text_model model_;
  kernels::sentence_steps steps_;
  std::map<std::string, std::string> prompts_;
  bool include_prompt_;
  prompt usual_;
};

sentence_encoder::sentence_encoder(std::filesystem::path const& folder, text_options options)
    : implementation_(std::make_unique<implementation const>(
          kernels::read_sentence_folder(kernels::find_model(folder)), options)) {}
sentence_encoder::sentence_encoder(sentence_encoder&&) noexcept = default;
sentence_encoder& sentence_encoder::operator=(sentence_encoder&&) noexcept = default;
sentence_encoder::~sentence_encoder() = default;

std::vector<float> sentence_encoder::operator()(std::string_view text) const {
  return std::move(implementation_->encode({&text, 1}).front());
}

std::vector<std::vector<float>> sentence_encoder::operator()(std::span<std::string_view const> texts) const {
  return implementation_->encode(texts);
}

std::vector<std::vector<float>> sentence_encoder::operator()(std::span<std::string const> texts) const {
  return implementation_->encode(std::vector<std::string_view>(texts.begin(), texts.end()));
}

std::vector<float> sentence_encoder::operator()(std::string_view text, encode_options const& options) const {
  return std::move(implementation_->encode({&text, 1}, options).front());
}

std::vector<std::vector<float>> sentence_encoder::operator()(std::span<std::string const> texts,
                                                             encode_options const& options) const {
  return implementation_->encode(std::vector<std::string_view>(texts.begin(), texts.end()), options);
}

std::vector<encoded_window> sentence_encoder::encode_windows(std::string_view text, std::size_t overlap,
                                                             encode_options const& options) const {
  return std::move(implementation_->encode_windows({&text, 1}, overlap, options).front());
}

std::vector<std::vector<encoded_window>> sentence_encoder::encode_windows(
    std::span<std::string const> texts, std::size_t overlap, encode_options const& options) const {
  return implementation_->encode_windows(std::vector<std::string_view>(texts.begin(), texts.end()), overlap,
                                         options);
}

tokenized_texts sentence_encoder::tokenize(std::span<std::string const> texts) const {
  return tokenize(texts, {});
}

tokenized_texts sentence_encoder::tokenize(std::span<std::string const> texts,
                                           encode_options const& options) const {
  return implementation_->tokenize(std::vector<std::string_view>(texts.begin(), texts.end()), options);
}

std::vector<std::vector<float>> sentence_encoder::operator()(tokenized_texts const& texts) const {
  return implementation_->encode(texts);
}

std::size_t sentence_encoder::dimension() const noexcept { return implementation_->dimension(); }

std::vector<std::string> sentence_encoder::prompt_names() const { return implementation_->prompt_names(); }

std::string sentence_encoder::placement() const { return implementation_->placement(); }

}  // namespace yonder::ml
