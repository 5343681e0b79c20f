// SPDX-License-Identifier: Apache-2.0
// A type that was written for Boost.Serialization, as it is: here, and on a worker.
#include <yonder/boost_serialization.hpp>
#include <yonder/yonder.hpp>

#include <boost/optional.hpp>
#include <boost/serialization/vector.hpp>
#include <string>
#include <vector>

namespace shop {

struct line {
  std::string name;
  int price = 0;
  template <class Archive>
  void serialize(Archive& ar, unsigned const version) {
    ar& BOOST_SERIALIZATION_NVP(name);
    if (version > 0) ar& BOOST_SERIALIZATION_NVP(price);
  }
};

struct order {
  std::vector<line> lines;
  boost::optional<std::string> note;
  template <class Archive>
  void serialize(Archive& ar, unsigned const) {
    ar& lines& note;
  }
};
YONDER_USES_BOOST_SERIALIZATION

int total(order const& asked) {
  int sum = asked.note ? 1 : 0;
  for (auto const& one : asked.lines) sum += one.price;
  return sum;
}
inline constexpr yonder::task<total> pricing;

}  // namespace shop
BOOST_CLASS_VERSION(shop::line, 1)

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 1});
  shop::order const asked{{{"tea", 20}, {"cake", 21}}, std::string("soon")};
  return shop::pricing.local(asked) == 42 && shop::pricing.remote(asked) == 42 ? 0 : 1;
}
