// SPDX-License-Identifier: Apache-2.0
// A program of include/ alone: tasks, local(), and a round trip through the codec.
#include <string>
#include <vector>
#include <yonder/testing.hpp>
#include <yonder/yonder.hpp>

namespace consumer {

struct page {
  int number = 0;
  std::string text;
};

std::vector<page> print(page const& original, int copies) {
  if (copies < 0) throw std::invalid_argument("a negative number of copies");
  return std::vector<page>(static_cast<std::size_t>(copies), original);
}

// Takes no zeros: its structure cannot be found.
struct fussy {
  int value = 1;
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
    if (value == 0) throw std::invalid_argument("a zero");
  }
};

inline constexpr yonder::task<print> printing;
inline constexpr yonder::exception_registration<std::invalid_argument> invalid_argument_travels;

template <class Error, class Call>
bool throws(Call call) {
  try {
    call();
  } catch (Error const&) {
    return true;
  }
  return false;
}

}  // namespace consumer

int main() {
  using namespace consumer;
  namespace detail = yonder::detail;
  page const original{7, std::string(100'000, 'x')};
  bool const local = printing.local(original, 2).size() == 2;
  auto const pages = yonder::testing::round_trip(printing, original, 3);
  bool const travels = pages.size() == 3 && pages[2].text == original.text && pages[2].number == 7;
  bool const throws_as_there =
      throws<std::invalid_argument>([&] { yonder::testing::round_trip(printing, original, -1); });
  bool const checks = throws<yonder::codec_error>([] { detail::decode<page>({}, {}); });
  bool const refuses = throws<yonder::error>([] { detail::structure_hash<fussy>(); });
  return local && travels && throws_as_there && checks && refuses ? 0 : 1;
}
