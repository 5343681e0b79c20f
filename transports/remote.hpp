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

// What whoever is at the other end of a connection may do, by the credential that it has proved to have.
struct peer_rights {
  bool calls = true;      // make calls; without it only those that the tasks which it runs make
  bool works = true;      // run calls
  bool operates = false;  // see and change what is everybody's: pools, others' calls
  // Of all that come with this credential, but for what their tasks call; 0: as many as there are.
  std::uint32_t max_jobs = 0;  // calls at once that run or wait for a worker
  std::uint32_t max_gpus = 0;  // that these ask for
  // The start (listener::issue_worker_key) whose worker it was made for, and nobody else; 0: it was not.
  std::uint64_t issued_for = 0;
  friend bool operator==(peer_rights const&, peer_rights const&) = default;
};

// Which of the keys in a folder one connects with.
enum class connect_role : std::uint8_t {
  client,  // client.key
  worker,  // worker.key, or client.key where there is none
  boss,    // operator.key, or server.key where there is none
};

struct listen_options {
  std::vector<std::string>
      addresses;               // "tcp://0.0.0.0:5555", "tcp://127.0.0.1:*", "ipc:///run/user/1000/yonder/hub"
  std::filesystem::path keys;  // the folder that `yonder keygen` made; tcp needs it
  limits bounds;
};

struct connect_options {
  std::string address;
  std::filesystem::path keys;  // a folder with server.pub and the role's key; tcp needs it
  std::uint64_t session = 0;   // drawn at random: under it the other end knows this one again
  limits bounds;
  connect_role role = connect_role::client;
  // Over tcp, instead of those in the folder: the hub's public key and one's own secret one, as Z85.
  std::string server_public{};
  std::string secret{};
};

// With which one worker that this hub has started comes in.
struct worker_key {
  std::string server_public;  // the hub's
  std::string secret;         // the worker's own
  std::string own_public;
};

// An endpoint that others connect to.
class listener : public endpoint {
 public:
  // Where it can be reached: the addresses asked for, with the ports that the system chose.
  virtual std::vector<std::string> addresses() const = 0;

  // What a peer of this identity (event::identity) may do: over ipc it is the same user, who may do all, as
  // whoever has server.key may over tcp; for other keys their role says it.
  virtual peer_rights rights_of(std::string_view identity) = 0;

  // What whoever runs this should know: sentences.
  virtual std::vector<std::string> warnings() const { return {}; }

  // A key that is let in until it is withdrawn, and stands in no file; `start` is what peer_rights say of it.
  // Over ipc nothing is needed: all are empty.
  virtual worker_key issue_worker_key(std::uint64_t start) = 0;
  virtual void withdraw_worker_key(std::string const& own_public) = 0;
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

  // Where a token stands behind the address ("tcp://host:port#TOKEN"), it is used up: options.keys has keys
  // of our own then, which the other end lists, and the address comes back without it. Waits for the other
  // end, some seconds at most. Throws setup_error: nobody answers, or the token is not good.
  virtual connect_options admitted(connect_options options) const { return options; }

 protected:
  ~remote_transport() = default;
};

// Of the library yonder::zmq: ZeroMQ over ipc and tcp.
YONDER_API remote_transport const& zmq_transport();

// Of the library yonder::sockets: plain unix sockets ("unix:///FOLDER/NAME") and TLS ("tls://HOST:PORT"),
// with the keys, roles and tokens of ZeroMQ's; and what zmq_transport() does.
YONDER_API remote_transport const& socket_transport();

}  // namespace yonder::transport
