// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <semaphore>
#include <stdexcept>
#include <string>

#include "src/http/side_thread.hpp"

namespace side_threads {

using yonder::http::side_thread;

TEST_CASE("what one goes on with may fail, and the others go on all the same") {
  std::counting_semaphore<> woken{0};
  side_thread beside([&] { woken.release(); });
  std::string done;
  for (char const one : {'a', 'b', 'c'})
    beside.run([] {},
               [&done, one] {
                 if (one == 'a') throw std::runtime_error("a");
                 done += one;
               });
  for (int i = 0; i < 3; ++i) woken.acquire();
  CHECK_THROWS_WITH(beside.take_done(), "a");
  CHECK(done.empty());
  REQUIRE(woken.try_acquire());  // there is more
  beside.take_done();
  CHECK(done == "bc");
}

}  // namespace side_threads
