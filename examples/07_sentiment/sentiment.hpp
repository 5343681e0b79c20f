// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <yonder/yonder.hpp>

#include <string>

struct Sentiment {
  std::string label;
  float score = 0;
  std::string where;  // host:pid

  template <class Archive>
  void serialize(Archive& ar) {
    ar(CEREAL_NVP(label), CEREAL_NVP(score), CEREAL_NVP(where));
  }
};

// Of an English text. Throws yonder::ml::text_error, and what load_sentiment_model() throws.
Sentiment get_sentiment(std::string const& text);

// From the folder that $SENTIMENT_MODEL names, once per process: now, unless it is loaded; on a GPU where
// there is one. Returns where it computes. Throws yonder::ml::model_error.
std::string load_sentiment_model();

inline constexpr yonder::task<get_sentiment> sentiment{{.retries = 3}};
