// SPDX-License-Identifier: Apache-2.0
#include "src/driver/spinning.hpp"

#include <doctest/doctest.h>

namespace yonder::driver {
namespace {

using core::microsecond;
using core::millisecond;

void sleep_shortly(spinning& spin, int times) {
  for (int i = 0; i < times; ++i) spin.slept(10 * microsecond);
}

int short_sleeps_until_trial(spinning& spin) {
  int count = 0;
  for (; spin.budget() == 0; ++count) spin.slept(10 * microsecond);
  return count;
}

}  // namespace

TEST_CASE("whoever is idle sleeps at once") {
  spinning spin;
  for (int i = 0; i < 1000; ++i) {
    CHECK(spin.budget() == 0);
    spin.slept(5 * millisecond);
  }
}

TEST_CASE("after some short sleeps it looks, and goes on for as long as it finds something") {
  spinning spin;
  sleep_shortly(spin, spinning::first_trial);
  CHECK(spin.budget() == spinning::longest);
  spin.found(50 * microsecond);
  for (int i = 0; i < 50; ++i) {
    CHECK(spin.budget() > 0);
    spin.found(microsecond);
  }
  CHECK(spin.budget() == spinning::shortest);
  spin.missed();
  CHECK(spin.budget() > 0);
  spin.missed();
  CHECK(spin.budget() == 0);
}

TEST_CASE("while it finds something, the poller is asked now and then") {
  spinning spin;
  int polls = 0;
  for (int i = 0; i < 1000; ++i) {
    spin.found(microsecond);
    polls += spin.is_poll_due() ? 1 : 0;
  }
  CHECK(polls == 1000 / 64);
}

TEST_CASE("where it never gains it is tried ever more rarely, and costs less than a hundredth") {
  spinning spin;
  for (int wanted = spinning::first_trial; wanted < spinning::rarest_trial; wanted *= 2) {
    CHECK(short_sleeps_until_trial(spin) == wanted);
    spin.missed();
  }
  CHECK(short_sleeps_until_trial(spin) == spinning::rarest_trial);
  spin.missed();
  CHECK(short_sleeps_until_trial(spin) == spinning::rarest_trial);
  // Of sleeps as short as a wake-up on the same core.
  CHECK(spinning::longest * 100 < spinning::rarest_trial * 4 * microsecond);
}

TEST_CASE("one long sleep begins the count anew") {
  spinning spin;
  sleep_shortly(spin, spinning::first_trial - 1);
  spin.slept(millisecond);
  sleep_shortly(spin, spinning::first_trial - 1);
  CHECK(spin.budget() == 0);
}

}  // namespace yonder::driver
