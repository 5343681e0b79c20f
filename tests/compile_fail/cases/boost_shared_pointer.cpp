// SPDX-License-Identifier: Apache-2.0
// expect: a shared_ptr or weak_ptr cannot be shared with another process
#include <boost/smart_ptr/shared_ptr.hpp>
#include <yonder/boost_serialization.hpp>
#include <yonder/task.hpp>

namespace shop {
struct Page {
  boost::shared_ptr<int> value;
  template <class Archive>
  void serialize(Archive& ar, unsigned) {
    ar& value;
  }
};
YONDER_USES_BOOST_SERIALIZATION
}  // namespace shop
int print(shop::Page const& page);
inline constexpr yonder::task<print> print_task;

int read(shop::Page const& page) { return print_task.remote(page) + print_task.spawn(page).get(); }
