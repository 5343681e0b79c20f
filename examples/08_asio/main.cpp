// SPDX-License-Identifier: Apache-2.0
// A program that lives in a Boost.Asio event loop: calls are awaited there, beside timers and sockets.
#include <iostream>
#include <yonder/asio.hpp>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/detached.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/use_awaitable.hpp>

namespace asio = boost::asio;

double root(double x) {
  if (x < 0) throw std::domain_error("no root of a negative number");
  double y = x;
  for (int i = 0; i < 64; ++i) y = (y + x / y) / 2;
  return y;
}
inline constexpr yonder::task<root> square_root;

asio::awaitable<void> work() {
  std::cout << co_await square_root.async(144, asio::use_awaitable) << "\n";
  try {
    co_await square_root.async(-1, asio::use_awaitable);
  } catch (std::domain_error const& error) {
    std::cout << error.what() << "\n";
  }
}

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv);
  asio::io_context context;
  asio::co_spawn(context, work, asio::detached);
  context.run();  // returns when everything has ended
}
