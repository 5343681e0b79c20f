// SPDX-License-Identifier: Apache-2.0
// What a user's first program looks like: one task, here and on a worker.
#include <yonder/yonder.hpp>

#include <stdexcept>
#include <string>

namespace consumer {

struct name_tag {
  std::string text;
  int size = 0;
};
template <class Archive>
void serialize(Archive& ar, name_tag& tag) {
  ar(tag.text);  // the size is chosen where it is printed
}
int size_of(name_tag const& tag) { return tag.size; }

std::string greet(std::string const& name) {
  if (name.empty()) throw std::invalid_argument("nobody to greet");
  return "hello, " + name;
}

inline constexpr yonder::task<greet> greeting;
inline constexpr yonder::task<size_of> sizing;

bool throws_here_as_there() {
  try {
    (void)greeting.remote("");
  } catch (std::invalid_argument const&) {
    return true;
  }
  return false;
}

}  // namespace consumer

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 1});
  bool const agree = consumer::greeting.local("you") == consumer::greeting.remote("you");
  bool const linked = yonder::library_version() == yonder::header_version;
  bool const by_function = consumer::sizing.remote({"you", 7}) == 0;
  return agree && linked && by_function && consumer::throws_here_as_there() ? 0 : 1;
}
