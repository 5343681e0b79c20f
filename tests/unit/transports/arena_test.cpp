// SPDX-License-Identifier: Apache-2.0
#include "transports/local/arena.hpp"

#include <doctest/doctest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <memory>
#include <thread>
#include <utility>

#include "src/platform/process.hpp"

namespace yonder::testing {

TEST_CASE("a fork that drops the copy of a block waits for nobody") {
  if (YONDER_IS_SANITIZED) return;  // whose run-time does not fork with threads
  auto memory = platform::empty_memory();
  platform::set_size(memory.get(), transport::arena_size);
  auto const arena = std::make_shared<transport::incoming_arena>(
      std::move(memory), std::make_shared<transport::returned_page>());
  auto copy = arena->copy({0, 40'000});
  std::atomic<bool> stop{false};
  std::thread busy([&] {
    while (!stop) arena->copy({0, 1});
  });
  bool all_ended = true;
  for (int i = 0; i < 100 && all_ended; ++i) {
    auto const fork = ::fork();
    if (fork == 0) {
      ::alarm(20);
      copy = {};
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(fork, &status, 0);
    all_ended = status == 0;
  }
  CHECK(all_ended);
  stop = true;
  busy.join();
}

}  // namespace yonder::testing
