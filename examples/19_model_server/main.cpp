// SPDX-License-Identifier: Apache-2.0
//
// Models over HTTP, as the clients of others ask for them: vectors at POST /v1/embeddings (OpenAI's), labels
// at POST /predict (text-embeddings-inference's), and sentence by sentence as a stream.
#include <yonder/http.hpp>
#include <yonder/ml/services.hpp>
#include <yonder/yonder.hpp>

namespace ml = yonder::ml;

inline auto const vectors = ml::embed.on(ml::encoder_service(YONDER_DEMO_MODEL));
inline auto const labels = ml::classify_all.on(ml::classifier_service(YONDER_DEMO_MODEL));
inline constexpr yonder::http::embeddings<vectors, "sentiment-tiny"> embeddings;
inline constexpr yonder::http::predictions<labels> predictions;

// One label; program --yonder-compare classify '{"text": "good job"}' says which environment is best for it.
inline auto const label = ml::classify.on(ml::classifier_service(YONDER_DEMO_MODEL));
inline constexpr yonder::http::named_endpoint<"classify", label, "text"> label_over_http;

// Tasks call tasks: each sentence's label, as soon as it is there.
yonder::generator<std::string> read_aloud(std::string const& text) {
  for (std::size_t at = 0; at < text.size();) {
    auto const end = std::min(text.find('.', at), text.size() - 1);
    auto const found = label.remote(text.substr(at, end + 1 - at));
    co_yield text.substr(at, end + 1 - at) + " " + found.label;
    at = std::min(text.find_first_not_of(' ', end + 1), text.size());
  }
}
inline constexpr yonder::task<read_aloud> aloud;
inline constexpr yonder::http::endpoint<aloud, "text"> aloud_over_http;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.http = {.address = "127.0.0.1:8000"}});
  here.serve();
}
