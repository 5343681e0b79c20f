// SPDX-License-Identifier: Apache-2.0
#include <yonder/asio.hpp>

#include <boost/asio/use_future.hpp>

int twice(int number) { return 2 * number; }
inline constexpr yonder::task<twice> doubled;

int main(int argc, char** argv) {
  yonder::runtime here(argc, argv, {.max = 1});
  return doubled.async(21, boost::asio::use_future).get() == 42 ? 0 : 1;
}
