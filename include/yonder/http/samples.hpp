// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <string_view>

#include "yonder/detail/export.hpp"

// What some calls of an endpoint were asked and answered, as lines of JSON in a file: docs/samples.md. Needs
// yonder::http to be linked.
namespace yonder::http {

// What is kept, and where. The texts are viewed: literals, say.
struct sampling {
  // The file; made (0600) where there is none. Endpoints may share one, with the same limits.
  std::string_view file{};

  // Of all calls, from 0 to 1. Whether a call is kept depends on its id alone.
  double share = 1;

  // JSON pointers (RFC 6901) with blanks between them, of what is left out: "/arguments/text
  // /result/*/label /correction". A segment "*" is any.
  std::string_view redacted{};

  // What the answers depend on besides: a hash of the model's weights, say. Empty: nothing is said of that.
  std::string_view model{};

  std::size_t max_bytes = std::size_t{64} << 20;  // of a file; then it becomes FILE.1, that FILE.2, …
  unsigned files = 4;                             // that stay besides
};

// Declared beside an endpoint, in a namespace:
//
//   inline constexpr yonder::http::endpoint<sentiment, "text"> sentiment_over_http;
//   inline yonder::http::samples const kept("get_sentiment", {.file = "samples.jsonl", .share = 0.01});
//
// and likewise for a model of /v1/embeddings, or the task of /predict or /rerank, by its name. A gateway
// refuses to begin where there is none of that name.
class YONDER_API samples {
 public:
  // `endpoint`: its name within the path; of a model, its name; of /predict and /rerank, its task's.
  samples(std::string_view endpoint, sampling const& how) noexcept;
  ~samples();
  samples(samples const&) = delete;
  samples& operator=(samples const&) = delete;

  // As it was declared.
  std::string_view endpoint() const noexcept { return endpoint_; }
  sampling const& how() const noexcept { return how_; }

 private:
  friend struct declared_samples;

  std::string_view endpoint_;
  sampling how_;
  samples* next_ = nullptr;
};

}  // namespace yonder::http
