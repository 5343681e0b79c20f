// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <span>
#include <string>

#include "transports/transport.hpp"

namespace yonder::transport {

// Stands between the bytes of one connection and the stream of its frames: what is written is sealed, what is
// read is opened. Used by one endpoint, under its lock.
class stream_cipher {
 public:
  virtual ~stream_cipher() = default;

  // Opens what lies at the front of `bytes` into `room`, takes off what it has used, and returns how much of
  // `room` is filled. 0: all of `bytes` was taken, and nothing whole is left in them; or there is a fault.
  virtual std::size_t open(std::span<std::byte const>& bytes, std::span<std::byte> room) = 0;

  // Appends `plain` to `to`, sealed. False: there is a fault. Throws std::bad_alloc, and has sealed nothing.
  virtual bool seal(std::span<std::byte const> plain, byte_buffer& to) = 0;

  // Why nothing can be opened or sealed any more, in words; empty while it can.
  virtual std::string const& fault() const noexcept = 0;
};

}  // namespace yonder::transport
