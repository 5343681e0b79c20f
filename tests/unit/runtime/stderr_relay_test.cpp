// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/stderr_relay.hpp"

#include <doctest/doctest.h>
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <memory>
#include <string>

#include "src/platform/poller.hpp"
#include "src/platform/process.hpp"
#include "src/platform/unique_fd.hpp"

namespace yonder::runtime_detail {
namespace {

// A pipe in the place of stderr.
class stderr_pipe {
 public:
  stderr_pipe() {
    std::array<int, 2> ends{};
    REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
    readable_.reset(ends[0]);
    platform::unique_fd const writable(ends[1]);
    ::fcntl(readable_.get(), F_SETFL, O_NONBLOCK);
    ::dup2(writable.get(), STDERR_FILENO);
  }
  ~stderr_pipe() { ::dup2(before_.get(), STDERR_FILENO); }
  stderr_pipe(stderr_pipe const&) = delete;
  stderr_pipe& operator=(stderr_pipe const&) = delete;

  std::size_t capacity() const { return static_cast<std::size_t>(::fcntl(readable_.get(), F_GETPIPE_SZ)); }
  // All that lies there.
  std::string take() const {
    std::string all;
    std::array<char, 4096> text{};
    for (ssize_t count = 0; (count = ::read(readable_.get(), text.data(), text.size())) > 0;)
      all.append(text.data(), static_cast<std::size_t>(count));
    return all;
  }

 private:
  platform::unique_fd before_{::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)};
  platform::unique_fd readable_;
};

}  // namespace

TEST_CASE("what a full stderr held back is written at the end, once there is room") {
  std::string text, first, last;
  {
    stderr_pipe const pipe;
    auto const poller = platform::make_poller();
    stderr_relay relay(*poller);
    text.assign(pipe.capacity() + 1'000, 'x');
    relay.pass(text);
    first = pipe.take();
    relay.finish(platform::now() + 20'000'000'000);
    last = pipe.take();
  }
  CHECK(first.size() < text.size());
  CHECK(first.size() + last.size() == text.size());
}

}  // namespace yonder::runtime_detail
