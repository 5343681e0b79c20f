// SPDX-License-Identifier: Apache-2.0
//
// From nothing to the first label; yonder_bench starts this program and knows when it did.
//
//   bench_coldstart here|yonder FOLDER
//
// Prints the time, in ns of the steady clock, at which main began, the model (here) or the runtime (yonder)
// was there, the first label was, and the second.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <string>
#include <string_view>

#include "yonder/ml/text_classifier.hpp"
#include "yonder/yonder.hpp"

namespace {

constexpr char const* text = "What a wonderful day, everything went well!";

std::string classify(std::string const& folder, std::string const& what) {
  static yonder::ml::text_classifier const model(folder);
  return model(what).label;
}

constexpr yonder::task<classify, "bench_coldstart_classify"> classify_task;

void print_now() {
  std::printf("%lld\n", static_cast<long long>(std::chrono::steady_clock::now().time_since_epoch().count()));
}

void label_here(std::string const& folder) {
  yonder::ml::text_classifier const model(folder);
  print_now();
  for (int i = 0; i < 2; ++i) {
    if (model(text).label.empty()) std::abort();
    print_now();
  }
}

void label_yonder(int argc, char** argv, std::string const& folder) {
  yonder::runtime const runtime(argc, argv, {.max = 1});
  print_now();
  for (int i = 0; i < 2; ++i) {
    if (classify_task.remote(folder, text).empty()) std::abort();
    print_now();
  }
}

}  // namespace

int main(int argc, char** argv) try {
  if (yonder::is_worker()) yonder::runtime const here(argc, argv);
  print_now();
  if (argc != 3) return 2;
  if (std::string_view(argv[1]) == "here")
    label_here(argv[2]);
  else
    label_yonder(argc, argv, argv[2]);
  return EXIT_SUCCESS;
} catch (std::exception const& error) {
  std::fprintf(stderr, "bench_coldstart: %s\n", error.what());
  return EXIT_FAILURE;
}
