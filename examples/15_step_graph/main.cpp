// SPDX-License-Identifier: Apache-2.0
//
// A graph of steps: each runs once for the same inputs, and the result knows what it was made from. Calls are
// arguments of calls: values go from step to step through the hub, without a way back here.
#include <yonder/yonder.hpp>

#include <algorithm>
#include <iostream>
#include <map>
#include <memory>
#include <sstream>
#include <string>
#include <vector>

// What a step makes.
using words = std::vector<std::string>;
using counts = std::map<std::string, int>;

words split(std::string const& text) {
  std::istringstream in(text);
  words found;
  for (std::string word; in >> word;) found.push_back(word);
  return found;
}
words without_short(words all, std::size_t least) {
  std::erase_if(all, [&](auto const& word) { return word.size() < least; });
  return all;
}
counts count(words const& all) {
  counts made;
  for (auto const& word : all) ++made[word];
  return made;
}
counts merge(counts left, counts const& right) {
  for (auto const& [word, times] : right) left[word] += times;
  return left;
}

inline constexpr yonder::task<split> split_text;
inline constexpr yonder::task<without_short> drop_short;
inline constexpr yonder::task<count> count_words;
inline constexpr yonder::task<merge> merge_counts;

// A result that is made, or on its way.
template <class R>
struct node {
  using value_type = R;
  std::string key;  // of what it is made, and how: equal keys are equal results
  std::shared_ptr<yonder::call<R>> made;
};

// Remembers every step by its key: its call, and the keys of what went in.
class graph {
 public:
  // The task on nodes and plain values. Runs it unless it has run on the same ones.
  template <class Task, class... Inputs>
  auto step(Task const& task, Inputs const&... inputs) {
    using result = typename Task::result;
    std::vector<std::string> from;
    (from.push_back(key_of(inputs)), ...);
    auto key = std::string(Task::name) + "(" + join(from) + ")";
    auto& known = results_[key];
    if (!known) {
      ++ran_;
      known = std::make_shared<yonder::call<result>>(task.spawn(value_of(inputs)...));
      lineage_[key] = std::move(from);
    }
    return node<result>{key, std::static_pointer_cast<yonder::call<result>>(known)};
  }

  // Every step that the result depends on, the first ones first.
  std::vector<std::string> lineage_of(std::string const& key) const {
    std::vector<std::string> steps;
    visit(key, steps);
    return steps;
  }
  int ran() const { return ran_; }

 private:
  static std::string key_of(std::string const& value) { return "'" + value + "'"; }
  static std::string key_of(std::size_t value) { return std::to_string(value); }
  template <class R>
  static std::string key_of(node<R> const& input) {
    return input.key;
  }
  // A call stands for the value that it will have.
  template <class R>
  static yonder::call<R>& value_of(node<R> const& input) {
    return *input.made;
  }
  template <class T>
  static T const& value_of(T const& value) {
    return value;
  }
  static std::string join(std::vector<std::string> const& parts) {
    std::string all;
    for (auto const& part : parts) all += (all.empty() ? "" : ", ") + part;
    return all;
  }
  void visit(std::string const& key, std::vector<std::string>& steps) const {
    auto const found = lineage_.find(key);
    if (found == lineage_.end() || std::find(steps.begin(), steps.end(), key) != steps.end()) return;
    for (auto const& from : found->second) visit(from, steps);
    steps.push_back(key);
  }

  std::map<std::string, std::shared_ptr<void>> results_;
  std::map<std::string, std::vector<std::string>> lineage_;
  int ran_ = 0;
};

node<counts> count_long_words(graph& steps, std::string const& left, std::string const& right) {
  auto const counted = [&](std::string const& text) {
    auto const all = steps.step(split_text, text);
    return steps.step(count_words, steps.step(drop_short, all, std::size_t{4}));
  };
  return steps.step(merge_counts, counted(left), counted(right));
}

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  graph steps;

  auto const first =
      count_long_words(steps, "to be or not to be that is the question", "that was the question");
  for (auto const& [word, times] : first.made->get()) std::cout << word << " " << times << "\n";
  std::cout << steps.ran() << " steps ran\n";

  count_long_words(steps, "to be or not to be that is the question", "that was the question").made->wait();
  std::cout << steps.ran() << " after the same again\n";

  auto const other = count_long_words(steps, "to be or not to be that is the question", "whether tis nobler");
  std::cout << other.made->get().size() << " words; " << steps.ran() << " after another right side\n";

  for (auto const& step : steps.lineage_of(other.key)) std::cout << step.substr(0, step.find('(')) << "\n";
}
