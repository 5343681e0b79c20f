// SPDX-License-Identifier: Apache-2.0
#include <doctest/doctest.h>

#include <semaphore>
#include <stdexcept>
#include <string>

#include "src/http/side_thread.hpp"

namespace side_threads {

using yonder::http::side_thread;

namespace {

// Waits until it is let go on.
struct held_step {
  std::counting_semaphore<> reached{0}, may_go_on{0};
  void pass() {
    reached.release();
    may_go_on.acquire();
  }
};

}  // namespace

TEST_CASE("what one goes on with may fail, and the others go on all the same") {
  std::counting_semaphore<> woken{0};
  side_thread beside([&] { woken.release(); });
  std::string done;
  for (char const one : {'a', 'b', 'c'})
    beside.run({.work = [] {},
                .then =
                    [&done, one] {
                      if (one == 'a') throw std::runtime_error("a");
                      done += one;
                    }});
  for (int i = 0; i < 3; ++i) woken.acquire();
  CHECK_THROWS_WITH(beside.take_done(), "a");
  CHECK(done.empty());
  REQUIRE(woken.try_acquire());  // there is more
  beside.take_done();
  CHECK(done == "bc");
}

TEST_CASE("those for whom much is done take turns, and what is forgotten is not done") {
  std::counting_semaphore<> woken{0};
  held_step first;
  std::string worked, done;
  side_thread beside([&] { woken.release(); });
  auto const ask = [&](char const* whose, char what, void const* of = nullptr) {
    beside.run({whose, of, 1,
                [&, what] {
                  if (what == '1') first.pass();
                  worked += what;
                },
                [&, what] { done += what; }});
  };
  ask("ada", '1');
  first.reached.acquire();
  int const gone = 0;
  for (char const what : {'2', '3'}) ask("ada", what);
  ask("ada", 'x', &gone);
  ask("eve", 'y', &gone);
  for (char const what : {'a', 'b'}) ask("bob", what);
  ask("ada", '4');
  ask("cid", 'c');
  beside.forget(&gone);
  first.may_go_on.release();
  for (int i = 0; i < 7; ++i) woken.acquire();
  beside.take_done();
  CHECK(worked == "1ac2b34");
  CHECK(done == worked);
}

TEST_CASE("of what can wait nobody has more than he leaves to others") {
  std::counting_semaphore<> woken{0};
  held_step first;
  constexpr auto most = side_thread::most_bytes;
  side_thread beside([&] { woken.release(); });
  int const gone = 0;
  CHECK(beside.has_room("ada", 2 * most));  // where nothing waits anything may
  beside.run({"ada", nullptr, most / 4, [&] { first.pass(); }, [] {}});
  first.reached.acquire();
  CHECK(beside.has_room("ada", most / 4));
  beside.run({"ada", &gone, most / 4, [] {}, [] {}});
  CHECK_FALSE(beside.has_room("ada", 1));
  CHECK(beside.has_room("bob", most / 2));
  CHECK_FALSE(beside.has_room("bob", most / 2 + 1));
  beside.run({"bob", nullptr, most / 4, [] {}, [] {}});
  CHECK_FALSE(beside.has_room("bob", 1));
  CHECK(beside.has_room("cid", most / 4));
  beside.forget(&gone);
  CHECK(beside.has_room("ada", most / 8));
  first.may_go_on.release();
  for (int i = 0; i < 2; ++i) woken.acquire();
  beside.take_done();
  CHECK(beside.has_room("ada", 2 * most));
}

}  // namespace side_threads
