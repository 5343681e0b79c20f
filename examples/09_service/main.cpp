// SPDX-License-Identifier: Apache-2.0
//
// A class whose objects live on workers: constructed once in each, its methods are called as tasks are.
#include <yonder/yonder.hpp>

#include <iostream>
#include <map>
#include <stdexcept>
#include <string>

class Translator {
 public:
  // Whatever takes long: once per worker, before its first call.
  explicit Translator(std::string const& language) : words_(words_of(language)) {}

  std::string translate(std::string const& word) const { return words_.at(word); }
  int learn(std::string const& word, std::string const& meaning) {
    words_[word] = meaning;
    return static_cast<int>(words_.size());
  }

 private:
  using dictionary = std::map<std::string, std::string>;
  static dictionary words_of(std::string const& language) {
    if (language == "de") return {{"house", "Haus"}, {"tree", "Baum"}};
    if (language == "fr") return {{"house", "maison"}, {"tree", "arbre"}};
    throw std::invalid_argument("no dictionary of the language '" + language + "'");
  }
  dictionary words_;
};

inline constexpr yonder::service<Translator(std::string)> translator{{.max = 1}};
inline constexpr yonder::method<&Translator::translate> translate;
inline constexpr yonder::method<&Translator::learn> learn;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);

  auto const german = translator("de");  // says which; its worker starts with the first call
  auto const french = translator("fr");  // other parameters: other workers
  std::cout << translate.on(german).remote("house") << ", " << translate.on(french).remote("house") << "\n";

  std::cout << learn.on(german).remote("sea", "Meer") << " words\n";
  std::cout << translate.on(german).remote("sea") << "\n";  // the same object: it has learned
  std::cout << translate.on(german).local("tree") << "\n";  // an object of this process, made on first use
  for (auto& word : translate.on(french).map(std::vector<std::string>{"tree", "house"}))
    std::cout << word << "\n";

  try {
    translate.on(translator("xx")).remote("house");
  } catch (yonder::error const& e) {  // no worker came to be, and why
    std::cout << to_string(e.code()) << "\n";
  }
}
