// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <boost/asio/write.hpp>
#include <boost/system/error_code.hpp>
#include <chrono>
#include <cstddef>
#include <utility>

namespace yonder::http {

// Writes all of `buffers`, which outlive it, and calls `done` as asio::async_write does. `timed` is told for
// how long each operation may take, so that it fails where nothing is taken for `patience`, however long the
// whole takes.
template <class Stream, class Timed, class Buffers, class Done>
void write_steadily(Stream& stream, Timed& timed, Buffers const& buffers, std::chrono::nanoseconds patience,
                    Done done) {
  constexpr std::size_t most_at_once = std::size_t{64} << 10;
  boost::asio::async_write(
      stream, buffers,
      // Asked before each operation.
      [&timed, patience](boost::system::error_code const& error, std::size_t) -> std::size_t {
        if (error) return 0;
        timed.expires_after(patience);
        return most_at_once;
      },
      std::move(done));
}

}  // namespace yonder::http
