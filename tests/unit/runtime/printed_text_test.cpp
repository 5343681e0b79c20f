// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/printed_text.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <string>
#include <string_view>

#include "src/platform/unique_fd.hpp"
#include "src/runtime/text_in_hand.hpp"

namespace {

using yonder::platform::unique_fd;
using yonder::runtime_detail::printed_text;
using yonder::runtime_detail::text_in_hand;

struct pipe_ends {
  unique_fd readable, writable;
  pipe_ends() {
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC | O_NONBLOCK) == 0);
    readable.reset(ends[0]);
    writable.reset(ends[1]);
  }
};
text_in_hand hand_with(std::string_view text) {
  text_in_hand made{};
  text.copy(made.text, text_in_hand::most);
  return made;
}

}  // namespace

TEST_CASE("what a process had taken of what it printed when it was killed lies where its watcher finds it") {
  auto* const shared = static_cast<text_in_hand*>(
      ::mmap(nullptr, sizeof(text_in_hand), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
  REQUIRE(shared != MAP_FAILED);
  pipe_ends const printed, relay;
  std::array<char, 4096> const block{};
  while (::write(relay.writable.get(), block.data(), block.size()) > 0) {
  }
  std::string_view const words = "the last words\n";
  auto const child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    for (;;) {  // each waits for room in the relay, and gives up
      if (::write(printed.writable.get(), words.data(), words.size()) < 0) ::_exit(1);
      printed_text(unique_fd(::dup(printed.readable.get())), unique_fd(::dup(relay.writable.get())), shared)
          .read();
    }
  }
  std::string seen;
  while (seen != words) {
    int status = 0;
    ::kill(child, SIGSTOP);
    REQUIRE(::waitpid(child, &status, WUNTRACED) == child);
    REQUIRE(WIFSTOPPED(status));
    seen = shared->left("");
    ::kill(child, seen == words ? SIGKILL : SIGCONT);
  }
  ::waitpid(child, nullptr, 0);
  CHECK(shared->left("") == words);
  ::munmap(shared, sizeof(text_in_hand));
}

TEST_CASE("of what is printed at once as much is kept as may be told at once") {
  pipe_ends const printed, relay;
  std::array<char, 32768> block{};
  block.fill('x');
  printed_text text(unique_fd(::dup(printed.readable.get())), unique_fd(::dup(relay.writable.get())));
  std::size_t written = 0;
  for (; written < std::size_t{300} << 10; written += block.size()) {
    REQUIRE(::write(printed.writable.get(), block.data(), block.size()) == block.size());
    REQUIRE(text.read());
    text.keep(0, {});
  }
  std::size_t passed_on = 0;
  while (auto const piece = text.next(0, false)) {
    CHECK(piece->skipped == 0);
    passed_on += piece->text.size();
    text.told(*piece);
  }
  CHECK(passed_on == written);
}

TEST_CASE("what a worker had in hand when it ended is told once, however much of it had been passed on") {
  auto const hand = hand_with("the last words\n");
  CHECK(hand.left("") == "the last words\n");
  CHECK(hand.left("something else\n") == "the last words\n");
  CHECK(hand.left("something else\nthe last") == " words\n");
  CHECK(hand.left("the last words\n").empty());
  CHECK(hand_with("").left("the last words\n").empty());
  CHECK(hand_with(std::string(text_in_hand::most, 'x')).left("").size() == text_in_hand::most);
}
