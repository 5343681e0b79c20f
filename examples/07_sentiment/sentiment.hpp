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

// Of an English text. The model is loaded once per process, from the folder that $SENTIMENT_MODEL names.
// Throws yonder::ml::model_error and yonder::ml::text_error.
Sentiment get_sentiment(std::string const& text);

inline constexpr yonder::task<get_sentiment> sentiment{{.retries = 3}};
