// SPDX-License-Identifier: Apache-2.0
//
// A classifier over HTTP, as http.py measures it: YONDER_BENCH_MODEL is its folder, YONDER_BENCH_THREADS
// those of its worker.
#include <cstdlib>
#include <string>

#include "yonder/http.hpp"
#include "yonder/ml/services.hpp"
#include "yonder/yonder.hpp"

namespace {

// Workers are told what to load: the names are for whoever serves.
std::string said(char const* name) {
  auto const* const value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

inline auto const label = yonder::ml::classify.on(yonder::ml::classifier_service(
    said("YONDER_BENCH_MODEL"),
    {.threads = std::strtoul(said("YONDER_BENCH_THREADS").c_str(), nullptr, 10)}));
inline constexpr yonder::http::named_endpoint<"classify", label, "text"> label_over_http;

int main(int argc, char** argv) { yonder::runtime here(argc, argv); }
