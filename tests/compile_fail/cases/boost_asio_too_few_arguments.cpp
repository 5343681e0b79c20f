// SPDX-License-Identifier: Apache-2.0
// expect: async takes the task's arguments, each of them, then a completion token
#include <boost/asio/use_future.hpp>
#include <yonder/asio.hpp>

int turn(int from, double by);
inline constexpr yonder::task<turn> turning;

int main() { return turning.async(1, boost::asio::use_future).get(); }
