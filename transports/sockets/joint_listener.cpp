// SPDX-License-Identifier: Apache-2.0
#include "transports/sockets/joint_listener.hpp"

#include <utility>

#include "transports/zmq/address.hpp"

namespace yonder::transport {

joint_listener::joint_listener(std::vector<std::string> const& addresses, std::unique_ptr<listener> over_zmq,
                               std::unique_ptr<socket_server> over_sockets)
    : zmq_(std::move(over_zmq)), sockets_(std::move(over_sockets)) {
  for (auto const& one : addresses) is_zmq_.push_back(!is_of(socket_schemes, one));
}

std::vector<std::string> joint_listener::addresses() const {
  auto const over_zmq = zmq_->addresses();
  auto const over_sockets = sockets_->addresses();
  auto zmq = over_zmq.begin();
  auto socket = over_sockets.begin();
  std::vector<std::string> all;
  for (bool const is_zmq : is_zmq_) all.push_back(is_zmq ? *zmq++ : *socket++);
  return all;
}

// Both read one list, where they have one; who is no key is this user for both.
peer_rights joint_listener::rights_of(std::string_view identity) {
  auto const over_sockets = sockets_->rights_of(identity);
  return over_sockets.calls || over_sockets.works ? over_sockets : zmq_->rights_of(identity);
}

std::vector<std::string> joint_listener::warnings() const {
  auto all = zmq_->warnings();
  return all.empty() ? sockets_->warnings() : all;
}

worker_key joint_listener::issue_worker_key(std::uint64_t start) {
  auto issued = zmq_->issue_worker_key(start);
  if (issued.own_public.empty()) return sockets_->issue_worker_key(start);
  sockets_->admit_worker_key(issued.own_public, start);
  return issued;
}

void joint_listener::withdraw_worker_key(std::string const& own_public) {
  zmq_->withdraw_worker_key(own_public);
  sockets_->withdraw_worker_key(own_public);
}

void joint_listener::receive(std::vector<event>& events, std::size_t most) {
  auto const begin = events.size();
  auto const mark = [&] {
    for (auto i = begin; i < events.size(); ++i)
      if (events[i].peer != 0) events[i].peer |= zmq_bit;
  };
  try {
    zmq_->receive(events, most);
  } catch (...) {
    mark();
    throw;
  }
  mark();
  sockets_->receive(events, most);
}

bool joint_listener::poll_once() {
  bool const over_zmq = zmq_->poll_once();
  return sockets_->poll_once() || over_zmq;
}

bool joint_listener::arm(doorbell& bell) {
  bool const over_zmq = zmq_->arm(bell);
  return sockets_->arm(bell) && over_zmq;
}

send_status joint_listener::send(peer_id to, frame const& message) {
  return (to & zmq_bit) != 0 ? zmq_->send(to & ~zmq_bit, message) : sockets_->send(to, message);
}

void joint_listener::flush() {
  zmq_->flush();
  sockets_->flush();
}

void joint_listener::detach() {
  zmq_->detach();
  sockets_->detach();
}

void joint_listener::close(peer_id gone) {
  if ((gone & zmq_bit) != 0) return zmq_->close(gone & ~zmq_bit);
  sockets_->close(gone);
}

}  // namespace yonder::transport
