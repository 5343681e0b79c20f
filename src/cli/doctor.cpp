// SPDX-License-Identifier: Apache-2.0
#include "src/cli/doctor.hpp"

#include <cstdlib>
#include <iostream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "src/cli/json_text.hpp"
#include "src/cli/output.hpp"
#include "src/cli/printable.hpp"
#if defined(YONDER_HAS_LAUNCH)
#include "src/launch/carry/host_check.hpp"
#endif

#if defined(YONDER_HAS_ML)
#include "yonder/ml/gpu.hpp"
#endif

namespace yonder::cli {

namespace {

struct machine_check {
  bool used = false;  // its GPU will be
  std::string answer;
  std::vector<std::string> facts{};
};

#if defined(YONDER_HAS_ML)
machine_check examine() {
  auto found = ml::examine_gpu();
  return {found.used, std::move(found.answer), std::move(found.facts)};
}
#else
machine_check examine() {
  return {
      .answer =
          "No GPU will be used: this yonder was built without models; type: cmake -DYONDER_WITH_ML=ON … and "
          "build again"};
}
#endif

}  // namespace

int doctor(bool json) {
  auto const found = examine();
  if (json) {
    std::string facts;
    for (auto const& fact : found.facts) facts += (facts.empty() ? "" : ", ") + in_json(fact);
    std::cout << "{\"gpu\": " << (found.used ? "true" : "false") << ", \"answer\": " << in_json(found.answer)
              << ", \"facts\": [" << facts << "]}\n";
  } else {
    std::cout << found.answer << '\n';
    for (auto const& fact : found.facts) std::cout << "  " << fact << '\n';
  }
  return found.used ? EXIT_SUCCESS : EXIT_FAILURE;
}

#if defined(YONDER_HAS_LAUNCH)
namespace {

char const* word_of(launch::finding::verdict is) {
  switch (is) {
    case launch::finding::verdict::fine: return "ok";
    case launch::finding::verdict::unknown: return "not known";
    case launch::finding::verdict::refused: return "no";
  }
  return "";
}

std::string json_of(std::vector<launch::finding> const& found) {
  std::string text = "[";
  for (auto const& one : found) {
    text += text.size() == 1 ? "\n" : ",\n";
    text += "  {\"what\": " + in_json(one.what) + ", \"needed\": " + in_json(one.needed) +
            ", \"found\": " + in_json(one.found) + ", \"verdict\": " + in_json(word_of(one.is)) +
            ", \"to_do\": " + in_json(one.to_do) + "}";
  }
  return text + "\n]\n";
}

}  // namespace

int doctor(doctor_order const& wanted, bool json) {
  if (wanted.host.empty()) throw usage_problem("doctor: the host's name is empty");
  if (!wanted.cache.empty() && wanted.cache.front() != '/')
    throw usage_problem("--cache: '" + wanted.cache + "' is no absolute path of the host");
  if (!wanted.hub.empty() && !wanted.hub.starts_with("tcp://"))
    throw usage_problem("--hub: '" + wanted.hub +
                        "' is no address that another machine reaches: tcp://HOST:PORT");
  std::vector<launch::finding> found;
  try {
    found = launch::examine_host({.host = wanted.host,
                                  .options = wanted.ssh,
                                  .program = wanted.program,
                                  .cache = wanted.cache,
                                  .hub = wanted.hub,
                                  .gpu = wanted.gpu,
                                  .installed = wanted.installed});
  } catch (std::invalid_argument const& error) {
    throw usage_problem(error.what());
  } catch (std::runtime_error const& error) {
    std::cerr << "yonder: " << error.what() << "\n";
    return exit_unreachable;
  }
  auto runs = true;
  table shown({wanted.host, "NEEDED", "FOUND", ""});
  std::string to_do;
  for (auto const& one : found) {
    runs = runs && one.is != launch::finding::verdict::refused;
    shown.add({one.what, printable(one.needed), printable(one.found), word_of(one.is)});
    if (!one.to_do.empty()) to_do += "  " + one.what + ": " + printable(one.to_do) + "\n";
  }
  if (json) {
    std::cout << json_of(found);
  } else {
    shown.print();
    if (!to_do.empty()) std::cout << "What to do:\n" << to_do;
  }
  return runs ? EXIT_SUCCESS : exit_failed;
}
#endif

}  // namespace yonder::cli
