// SPDX-License-Identifier: Apache-2.0
#include "spelling.hpp"

#include <set>
#include <sstream>

#include "tasks.hpp"

namespace spelling {

std::vector<std::string> unknown_words(std::string const& text) {
  static std::set<std::string> const dictionary{"a", "good", "job", "well", "done"};
  std::vector<std::string> unknown;
  std::istringstream words(text);
  for (std::string word; words >> word;)
    if (!dictionary.contains(word)) unknown.push_back(word);
  return unknown;
}

// Its runtime is its own: the host's tasks do not come here, and the host's main is not run again, since the
// workers are a program that the library brings.
struct checker::state {
  yonder::runtime runtime{{.max = 1, .worker_command = {SPELLING_WORKER}, .is_current = false}};
};

checker::checker() : state_(std::make_unique<state>()) {}
checker::~checker() = default;

std::vector<std::string> checker::check(std::string const& text) const {
  return unknown_words_task.on(state_->runtime).remote(text);  // never without .on()
}

}  // namespace spelling
