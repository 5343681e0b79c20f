// SPDX-License-Identifier: Apache-2.0
#include "ml/sentence_steps.hpp"

#include <algorithm>
#include <cmath>
#include <string>

#include "cpu/heads.hpp"
#include "cpu/thread_pool.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

void activate(dense_activation what, cpu::kernel_set const& kernels, std::vector<float>& row) {
  switch (what) {
    case dense_activation::identity: break;
    case dense_activation::gelu: kernels.gelu(row.data(), row.size()); break;
    case dense_activation::tanh:
      for (float& value : row) value = std::tanh(value);
      break;
    case dense_activation::relu:
      for (float& value : row) value = std::max(value, 0.0F);
      break;
    case dense_activation::sigmoid:
      for (float& value : row) value = 1.0F / (1.0F + std::exp(-value));
      break;
    case dense_activation::silu:
      for (float& value : row) value /= 1.0F + std::exp(-value);
      break;
  }
}

}  // namespace

sentence_steps::sentence_steps(sentence_folder const& folder, std::size_t width, std::size_t threads)
    : kernels_(cpu::best_kernels()),
      threads_(threads != 0 ? threads : cpu::default_threads()),
      width_(width) {
  for (auto const& step : folder.after) {
    auto const* const config = std::get_if<dense_config>(&step);
    if (config == nullptr) {
      steps_.emplace_back();
      continue;
    }
    steps_.emplace_back(load_dense(*config, width_));
    width_ = config->out;
  }
  width_ = std::min(width_, folder.truncated_width.value_or(width_));
}

sentence_steps::dense sentence_steps::load_dense(dense_config const& config, std::size_t width) const {
  if (config.in != width) {
    throw ml::inconsistent_model({(config.folder / "config.json").string(),
                                  "\"in_features\": " + std::to_string(config.in),
                                  std::to_string(width) + ", the width of what comes before",
                                  "use the module that belongs to this model"});
  }
  weight_files const files(config.folder);
  cpu::part_loader const loader(files, *kernels_.fp32);
  dense result{config, loader.load_linear("linear", config.in, config.out, config.bias), std::nullopt};
  if (config.residual && config.in != config.out) {
    result.residual = loader.load_linear("residual", config.in, config.out, false);
  }
  return result;
}

std::vector<float> sentence_steps::run(dense const& step, std::vector<float> const& row) const {
  cpu::crew const by{cpu::thread_pool::shared(), threads_};
  auto out = cpu::apply(kernels_, by, step.layer, row);
  activate(step.config.activation, kernels_, out);
  if (!step.config.residual) return out;
  auto const added = step.residual ? cpu::apply(kernels_, by, *step.residual, row) : row;
  for (std::size_t i = 0; i < out.size(); ++i) out[i] += added[i];
  return out;
}

void sentence_steps::apply(std::vector<std::vector<float>>& rows) const {
  for (auto& row : rows) {
    if (row.empty()) continue;
    for (auto const& step : steps_) {
      if (step) {
        row = run(*step, row);
      } else {
        cpu::normalize_length(row.data(), row.size());
      }
    }
    row.resize(width_);
  }
}

}  // namespace yonder::kernels
