// SPDX-License-Identifier: Apache-2.0
#include <iostream>
#include <yonder/ml/text_classifier.hpp>
#include <yonder/yonder.hpp>
namespace ml = yonder::ml;

std::string get_sentiment(std::string const& text) {
  static ml::text_classifier const model(YONDER_DEMO_MODEL, {.device = ml::device::automatic()});
  return model(text).label + " on " + model.placement();  // "CPU, fp32", or a GPU's name and bf16
}
inline constexpr yonder::task<get_sentiment> sentiment;
int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);  // first in main: this very binary is also the worker
  std::cout << sentiment.local("good job") << "\n" << sentiment.remote("good job") << "\n";
}
