// SPDX-License-Identifier: Apache-2.0
//
// Three models of different kinds: a transformer, a convolutional and a recurrent network. `workloads
// --yonder-compare read_digit '{"model": "…", "picture": "…"}'` says which environment runs one best; run.sh
// does it for each.
#include <yonder/http.hpp>
#include <yonder/ml/image_classifier.hpp>
#include <yonder/ml/recurrent_classifier.hpp>
#include <yonder/ml/text_classifier.hpp>
#include <yonder/yonder.hpp>

#include <iostream>
#include <map>
#include <string>
#include <vector>

namespace ml = yonder::ml;

// A worker loads each model once, before its first call.
template <class Model>
Model const& loaded(std::string const& folder) {
  thread_local std::map<std::string, Model> models;
  return models.try_emplace(folder, folder).first->second;
}

std::string classify(std::string const& model, std::string const& text) {
  return loaded<ml::text_classifier>(model)(text).label;
}

std::string feel(std::string const& model, std::string const& text) {
  return loaded<ml::recurrent_classifier>(model)(text).label;
}

// The picture: a character a pixel, row by row; '#' is white, '+' gray, all else black, line ends nothing.
std::string read_digit(std::string const& model, std::string const& picture) {
  std::vector<float> image;
  for (char const pixel : picture)
    if (pixel != '\n') image.push_back(pixel == '#' ? 1.0F : pixel == '+' ? 0.5F : 0.0F);
  return loaded<ml::image_classifier>(model)(image).label;
}

inline constexpr yonder::task<classify> transformer;
inline constexpr yonder::task<feel> recurrent;
inline constexpr yonder::task<read_digit> convolutional;
inline constexpr yonder::http::endpoint<transformer, "model", "text"> transformer_over_http;
inline constexpr yonder::http::endpoint<recurrent, "model", "text"> recurrent_over_http;
inline constexpr yonder::http::endpoint<convolutional, "model", "picture"> convolutional_over_http;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  std::cout << "compare what it can do: see run.sh beside its source\n";
}
