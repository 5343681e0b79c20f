// SPDX-License-Identifier: Apache-2.0
//
// What a worker joins of what it inherited.
#include "transports/local/channel.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <cstddef>
#include <cstdint>
#include <system_error>
#include <utility>
#include <vector>

#include "src/platform/process.hpp"

namespace yonder::testing {
namespace {

using transport::channel;
using transport::channel_mark;
using transport::channel_page;

platform::unique_fd sealed_page() { return platform::sealed_memory(sizeof(channel_page)); }

// As its writer leaves it.
platform::unique_fd marked(platform::unique_fd memory, std::uint64_t mark) {
  REQUIRE(::pwrite(memory.get(), &mark, sizeof mark, offsetof(channel_page, mark)) == sizeof mark);
  return memory;
}

bool joins(platform::unique_fd from_parent, platform::unique_fd to_parent) {
  try {
    channel::join({std::move(from_parent), std::move(to_parent), {}, {}});
    return true;
  } catch (std::system_error const&) {
    return false;
  }
}

}  // namespace

TEST_CASE("what is no memory of a channel is not joined") {
  auto const unsealed = [] { return platform::anonymous_memory(sizeof(channel_page)); };
  CHECK_FALSE(joins(unsealed(), unsealed()));
  CHECK_FALSE(joins({}, {}));
  auto of_two = channel::make();
  CHECK_FALSE(joins(std::move(of_two.theirs.to_parent), std::move(of_two.theirs.from_parent)));
}

TEST_CASE("memory that bears a channel's mark is joined only if nobody can cut it, and it has the size") {
  CHECK(joins(marked(sealed_page(), channel_mark), sealed_page()));
  auto const unsealed = [] { return platform::anonymous_memory(sizeof(channel_page)); };
  CHECK_FALSE(joins(marked(unsealed(), channel_mark), sealed_page()));
  CHECK_FALSE(joins(marked(sealed_page(), channel_mark), unsealed()));
  auto const shorter = [] { return platform::sealed_memory(sizeof(channel_page) - 4096); };
  CHECK_FALSE(joins(marked(shorter(), channel_mark), sealed_page()));
  CHECK_FALSE(joins(marked(sealed_page(), channel_mark), shorter()));
}

TEST_CASE("memory of another build is not joined") {
  CHECK_FALSE(joins(marked(sealed_page(), channel_mark + 1), sealed_page()));
}

TEST_CASE("what a task starts does not inherit a worker's end of the channel") {
  auto made = channel::make();
  auto& theirs = made.theirs;
  std::vector<int> inherited;
  for (auto const* const fd :
       {&theirs.wakes_child, &theirs.wakes_parent, &theirs.blocks_from_parent, &theirs.blocks_to_parent}) {
    if (!*fd) continue;
    REQUIRE(::fcntl(fd->get(), F_SETFD, 0) == 0);
    inherited.push_back(fd->get());
  }
  auto const joined = channel::join(std::move(theirs));
  for (int const fd : inherited)
    if (int const flags = ::fcntl(fd, F_GETFD); flags >= 0) CHECK((flags & FD_CLOEXEC) != 0);
  CHECK((::fcntl(joined->bell(), F_GETFD) & FD_CLOEXEC) != 0);
}

}  // namespace yonder::testing
