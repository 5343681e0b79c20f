// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <CLI/CLI.hpp>
#include <string>
#include <utility>
#include <vector>

// What shells complete the command with, as its own parser knows it. Of main.cpp: CLI11 takes half a minute
// to compile.
namespace yonder::cli {

// Where one is, " keys issue", and what may follow there.
using completions = std::vector<std::pair<std::string, std::string>>;

inline void collect(CLI::App const& command, std::string const& at, completions& found) {
  std::string words;
  auto const add = [&](std::string const& word) { words += (words.empty() ? "" : " ") + word; };
  auto const place = found.size();
  found.emplace_back(at, std::string());
  for (auto const* const one : command.get_subcommands(nullptr)) {
    if (!one->get_group().empty()) add(one->get_name());
    collect(*one, at + " " + one->get_name(), found);
  }
  for (auto const* const one : command.get_options())
    for (auto const& name : one->get_lnames()) add("--" + name);
  found[place].second = std::move(words);
}

inline std::string cases_of(completions const& all, std::string const& before, std::string const& behind) {
  std::string text;
  for (auto const& [at, words] : all) text += "    \"" + at + "\") " + before + words + behind + " ;;\n";
  return text;
}

// `list`: the words that have been typed. Leaves in `at` where one is.
inline std::string walk(completions const& all, std::string const& list) {
  std::string places;
  for (auto const& [at, words] : all)
    if (!at.empty()) places += (places.empty() ? "\"" : "|\"") + at + "\"";
  return "  local at=\"\" word\n  for word in " + list + "; do\n    case \"$at $word\" in\n      " + places +
         ") at=\"$at $word\" ;;\n    esac\n  done\n";
}

inline std::string completion_for_bash(CLI::App const& app) {
  completions all;
  collect(app, "", all);
  return "# bash completion of yonder: . <(yonder completion bash)\n_yonder() {\n" +
         walk(all, "\"${COMP_WORDS[@]:1:COMP_CWORD-1}\"") + "  local words=\"\"\n  case \"$at\" in\n" +
         cases_of(all, "words=\"", "\"") +
         "  esac\n  COMPREPLY=($(compgen -W \"$words\" -- \"${COMP_WORDS[COMP_CWORD]}\"))\n}\n"
         "complete -o default -F _yonder yonder\n";
}

inline std::string completion_for_zsh(CLI::App const& app) {
  completions all;
  collect(app, "", all);
  return "#compdef yonder\n# zsh completion of yonder: yonder completion zsh >FOLDER/_yonder, a folder of "
         "$fpath\n_yonder() {\n" +
         walk(all, "${words[2,CURRENT-1]}") + "  case \"$at\" in\n" + cases_of(all, "compadd -- ", "") +
         "  esac\n  _files\n}\nif [ \"$funcstack[1]\" = \"_yonder\" ]; then _yonder \"$@\"; else compdef "
         "_yonder yonder; fi\n";
}

}  // namespace yonder::cli
