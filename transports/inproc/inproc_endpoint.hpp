// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "transports/transport.hpp"

#include <cstddef>
#include <memory>
#include <unordered_map>
#include <vector>

namespace yonder::transport {

// Frames between the threads of one process, through mailboxes in memory. Each endpoint belongs to its own
// driver; two endpoints share nothing but their mailboxes, which have locks of their own.
class inproc_endpoint final : public endpoint {
 public:
  struct mailbox;
  // Where another endpoint's connect() leads; may be handed to any thread and may outlive the endpoint.
  using address = std::shared_ptr<mailbox>;

  explicit inproc_endpoint(limits const& bounds = {});
  ~inproc_endpoint() override;
  inproc_endpoint(inproc_endpoint const&) = delete;
  inproc_endpoint& operator=(inproc_endpoint const&) = delete;

  address where() const { return box_; }

  // The first event of the new peer is `connected`, or `lost` if nobody is there any more.
  peer_id connect(address const& to);

  void on_ready(std::uint64_t, bool, bool) override {}  // no file descriptor
  void receive(std::vector<event>& events, std::size_t most) override;
  bool poll_once() override;
  bool arm(doorbell& bell) override;
  send_status send(peer_id to, frame const& message) override;
  void flush() override {}   // send() delivers
  void detach() override {}  // send() copies what is borrowed
  void close(peer_id gone) override;
  bool reliable() const override { return true; }

 private:
  struct link;
  struct queued_message;

  // One connection, seen from one of its two sides.
  struct peer {
    std::shared_ptr<link> connection;
    std::size_t side = 0;
  };

  peer_id add(peer of);
  bool post(peer const& from, queued_message one);
  void open(queued_message& one, std::vector<event>& events);
  void read(queued_message& one, std::vector<event>& events);
  static void tell_room(mailbox& of);

  limits bounds_;
  address box_;
  std::unordered_map<peer_id, peer> peers_;
  peer_id drawn_ = 0;
  std::vector<event> news_;            // of connect()
  std::vector<queued_message> taken_;  // from the mailbox, unread from read_ on
  std::size_t read_ = 0;
};

}  // namespace yonder::transport
