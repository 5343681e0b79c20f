// SPDX-License-Identifier: Apache-2.0
#include "src/launch/template_text.hpp"

#include <algorithm>

namespace yonder::launch {
namespace {

// Calls text(piece), name(placeholder) and fault(what) for the parts of `word`, in order.
template <class Text, class Name, class Fault>
void parse(std::string_view word, Text text, Name name, Fault fault) {
  while (!word.empty()) {
    auto const at = word.find_first_of("{}");
    text(word.substr(0, at));
    if (at == std::string_view::npos) return;
    word.remove_prefix(at);
    if (word.starts_with("{{") || word.starts_with("}}")) {
      text(word.substr(0, 1));
      word.remove_prefix(2);
      continue;
    }
    auto const end = word.find('}');
    if (word[0] == '}') return fault("has a } without its {; }} is one that stands for itself");
    if (end == std::string_view::npos)
      return fault("has a { without its }; {{ is one that stands for itself");
    name(word.substr(1, end - 1));
    word.remove_prefix(end + 1);
  }
}

}  // namespace

std::string filled(std::string_view word, std::span<placeholder const> known) {
  std::string made;
  parse(
      word, [&](std::string_view piece) { made += piece; },
      [&](std::string_view name) {
        auto const found =
            std::find_if(known.begin(), known.end(), [&](auto const& one) { return one.first == name; });
        if (found != known.end()) made += found->second;
      },
      [](char const*) {});
  return made;
}

std::vector<std::string> filled(std::vector<std::string> const& words, std::span<placeholder const> known) {
  std::vector<std::string> made;
  made.reserve(words.size());
  for (auto const& word : words) made.push_back(filled(word, known));
  return made;
}

bool has_placeholder(std::vector<std::string> const& words, std::string_view name) {
  auto found = false;
  for (auto const& word : words)
    parse(
        word, [](std::string_view) {}, [&](std::string_view one) { found = found || one == name; },
        [](char const*) {});
  return found;
}

std::string fault_of_template(std::string_view word, std::span<std::string_view const> known) {
  std::string wrong;
  parse(
      word, [](std::string_view) {},
      [&](std::string_view name) {
        if (!wrong.empty() || std::find(known.begin(), known.end(), name) != known.end()) return;
        wrong = "has {" + std::string(name) + "}, which stands for nothing here; there are";
        for (auto const one : known) wrong += " {" + std::string(one) + "}";
      },
      [&](char const* what) {
        if (wrong.empty()) wrong = what;
      });
  return wrong;
}

}  // namespace yonder::launch
