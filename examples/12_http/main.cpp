// SPDX-License-Identifier: Apache-2.0
// A function that others call over HTTP: `http --yonder-serve 127.0.0.1:8000`, or this main with a port of
// your own.
#include <algorithm>
#include <yonder/http.hpp>
#include <yonder/yonder.hpp>

struct Count {
  std::string word;
  int times;
};

std::vector<Count> count_words(std::string const& text, std::size_t at_most) {
  std::vector<Count> counts;
  for (std::size_t at = 0; (at = text.find_first_not_of(' ', at)) != text.npos;) {
    auto const word = text.substr(at, text.find(' ', at) - at);
    auto const known =
        std::find_if(counts.begin(), counts.end(), [&](auto const& one) { return one.word == word; });
    known == counts.end() ? counts.push_back({word, 1}) : void(++known->times);
    at += word.size();
  }
  std::stable_sort(counts.begin(), counts.end(),
                   [](auto const& a, auto const& b) { return a.times > b.times; });
  if (counts.size() > at_most) counts.resize(at_most);
  return counts;
}
inline constexpr yonder::task<count_words> words;
inline constexpr yonder::http::endpoint<words, "text", "at_most"> words_over_http;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv,
                       {.http = {.address = "127.0.0.1:8000"}});  // keys: ~/.config/yonder/http_keys
  here.serve();
}
