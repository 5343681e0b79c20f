// SPDX-License-Identifier: Apache-2.0
// expect: this type has more than one way to serialize
#include <boost/smart_ptr/shared_ptr.hpp>
#include <yonder/boost_serialization.hpp>
#include <yonder/task.hpp>

namespace shop {
struct Page {
  int value = 0;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& value;
  }
  template <class Archive>
  void serialize(Archive& ar) {
    ar(value);
  }
};
YONDER_USES_BOOST_SERIALIZATION
}  // namespace shop
int print(shop::Page const& page);
inline constexpr yonder::task<print> print_task;

int read(shop::Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
