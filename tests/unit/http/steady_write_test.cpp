// SPDX-License-Identifier: Apache-2.0
#include "src/http/steady_write.hpp"

#include <doctest/doctest.h>

#include <algorithm>
#include <array>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <chrono>
#include <string>
#include <utility>

namespace {

namespace asio = boost::asio;
using error_code = boost::system::error_code;

// A reader who takes three bytes at a time, until it has had `most`.
struct slow_stream {
  using executor_type = asio::io_context::executor_type;

  executor_type get_executor() const noexcept { return context->get_executor(); }
  void expires_after(std::chrono::nanoseconds time) {
    CHECK(time == std::chrono::seconds(60));
    is_timed = true;
    ++deadlines;
  }
  template <class Buffers, class Done>
  void async_write_some(Buffers const& buffers, Done&& done) {
    CHECK(std::exchange(is_timed, false));
    ++writes;
    std::array<char, 3> taken{};
    auto const size = asio::buffer_copy(asio::buffer(taken), buffers);
    bool const fails = had.size() >= most;
    if (!fails) had.append(taken.data(), size);
    asio::post(*context, [fails, size, done = std::forward<Done>(done)]() mutable {
      done(fails ? error_code(asio::error::connection_reset) : error_code(), fails ? 0 : size);
    });
  }

  asio::io_context* context;
  std::size_t most = std::string::npos;
  std::string had{};
  bool is_timed = false;
  int writes = 0, deadlines = 0;
};

}  // namespace

TEST_CASE("each time that a slow reader takes something it has its time anew") {
  asio::io_context context;
  slow_stream stream{&context};
  std::string const head = "a head, ", body = "and a body";
  std::array<asio::const_buffer, 2> const parts{asio::buffer(head), asio::buffer(body)};
  std::size_t written = 0;
  yonder::http::write_steadily(stream, stream, parts, std::chrono::seconds(60),
                               [&](error_code const& error, std::size_t size) {
                                 CHECK_FALSE(error);
                                 written = size;
                               });
  context.run();
  CHECK(written == 18);
  CHECK(stream.had == head + body);
  CHECK(stream.writes >= 6);
}

TEST_CASE("of a reader who is gone the writer is told") {
  asio::io_context context;
  slow_stream stream{.context = &context, .most = 6};
  std::string const text = "longer than six";
  error_code told;
  yonder::http::write_steadily(stream, stream, asio::buffer(text), std::chrono::seconds(60),
                               [&](error_code const& error, std::size_t) { told = error; });
  context.run();
  CHECK(told == asio::error::connection_reset);
  CHECK(stream.writes == 3);
  CHECK(stream.deadlines == 3);
}
