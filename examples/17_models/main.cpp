// SPDX-License-Identifier: Apache-2.0
//
// Models as services: a classifier and an encoder live on workers, loaded once, and answer all callers in
// batches.
#include <yonder/ml/services.hpp>
#include <yonder/yonder.hpp>

#include <cmath>
#include <iostream>
#include <numeric>
#include <string>
#include <vector>

namespace ml = yonder::ml;

// Of vectors of the same length: 1 where they point the same way.
float cosine(std::vector<float> const& a, std::vector<float> const& b) {
  auto const dot = [](auto& x, auto& y) { return std::inner_product(x.begin(), x.end(), y.begin(), 0.0F); };
  return dot(a, b) / std::sqrt(dot(a, a) * dot(b, b));
}

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);

  // Says which model; its worker starts with the first call.
  auto const model = ml::classifier_service(YONDER_DEMO_MODEL, {.device = ml::device::automatic()});
  auto const sentiment = ml::classify.on(model);
  std::cout << sentiment.remote("good job").label << "\n";

  std::vector<std::string> const texts{"I love this little lamp.", "I want my money back.", "bad \xff"};
  for (auto& one : sentiment.map(texts).on_error(yonder::on_error::collect))  // these run together
    std::cout << (one ? one->label : "a text that is not UTF-8 fails alone") << "\n";

  auto const vector = ml::encode.on(ml::encoder_service(YONDER_DEMO_MODEL));
  auto const cake = vector.remote("The cake was delicious.");
  auto const pie = vector.remote("The pie was delicious.");
  auto const train = vector.remote("Nobody told us why the train was late again.");
  std::cout << (cosine(cake, pie) > cosine(cake, train) ? "a cake is like a pie" : "a cake is like a train")
            << "\n";

  try {
    ml::classify.on(ml::classifier_service("no/such-model")).remote("good job");
  } catch (yonder::error const& e) {  // what() says where it was looked for
    std::cout << to_string(e.code()) << "\n";
  }
}
