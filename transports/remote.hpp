// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transports/transport.hpp"
#include "yonder/detail/export.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace yonder::transport {

struct listen_options {
  std::vector<std::string>
      addresses;               // "tcp://0.0.0.0:5555", "tcp://127.0.0.1:*", "ipc:///run/user/1000/yonder/hub"
  std::filesystem::path keys;  // the folder that `yonder keygen` made; tcp needs it
  limits bounds;
};

struct connect_options {
  std::string address;
  std::filesystem::path keys;  // a folder with client.key and server.pub; tcp needs it
  std::uint64_t session = 0;   // drawn at random: under it the other end knows this one again
  limits bounds;
  bool as_operator = false;  // with server.key instead of client.key
};

// An endpoint that others connect to.
class listener : public endpoint {
 public:
  // Where it can be reached: the addresses asked for, with the ports that the system chose.
  virtual std::vector<std::string> addresses() const = 0;

  // Whether a peer of this identity (event::identity) is who runs this program: over ipc it is the same user,
  // over tcp whoever has server.key.
  virtual bool is_operator(std::string_view identity) const = 0;
};

// Connects processes that were not started by each other. Implemented by libraries that the core does not
// know.
class remote_transport {
 public:
  // Both throw setup_error, or std::system_error where the system refuses what they need.
  virtual std::unique_ptr<listener> listen(poller& ready, listen_options const& options) const = 0;

  // Returns at once and connects, again and again, while it is pumped: `connected` comes when the other end
  // has let us in, `lost` with `unauthorized` when it has not. Nobody there: nothing comes. A name is looked
  // up anew each time, and all its addresses are tried.
  virtual std::unique_ptr<endpoint> connect(poller& ready, connect_options const& options) const = 0;

 protected:
  ~remote_transport() = default;
};

// Of the library yonder::zmq: ZeroMQ over ipc and tcp.
YONDER_API remote_transport const& zmq_transport();

}  // namespace yonder::transport
