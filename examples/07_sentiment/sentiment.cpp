// SPDX-License-Identifier: Apache-2.0
#include "examples/07_sentiment/sentiment.hpp"

#include <unistd.h>
#include <yonder/ml/errors.hpp>
#include <yonder/ml/text_classifier.hpp>
#include <yonder/this_call.hpp>

#include <cstdlib>

namespace {

std::string this_process() {
  char host[256] = "";
  ::gethostname(host, sizeof host - 1);
  return std::string(host) + ":" + std::to_string(::getpid());
}

std::string model_folder() {
  char const* const folder = std::getenv("SENTIMENT_MODEL");
  return folder != nullptr ? folder : SENTIMENT_MODEL;
}

yonder::ml::text_classifier const& model() {
  static yonder::ml::text_classifier const loaded(model_folder(),
                                                  {.device = yonder::ml::device::automatic()});
  return loaded;
}

}  // namespace

std::string load_sentiment_model() { return model().placement(); }

Sentiment get_sentiment(std::string const& text) try {
  auto const best = model()(text);
  return {best.label, best.score, this_process()};
} catch (yonder::ml::gpu_unusable const&) {
  yonder::this_call::retire_worker();  // only a new process gets the GPU back
  throw;
}
