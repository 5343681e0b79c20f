// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/authenticator.hpp"

#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "transports/zmq/socket.hpp"

namespace yonder::transport {

namespace {

constexpr std::string_view zap_version = "1.0";

// libzmq states the address of an ipc client as "host:uid:gid:pid" (SO_PEERCRED).
std::optional<uid_t> user_of(std::string_view address) {
  std::size_t colon = address.size();
  for (int field = 0; field < 3; ++field) {
    if (colon == 0) return std::nullopt;
    colon = address.rfind(':', colon - 1);
    if (colon == std::string_view::npos) return std::nullopt;
  }
  auto const* const begin = address.data() + colon + 1;
  uid_t user{};
  auto const [end, error] = std::from_chars(begin, address.data() + address.size(), user);
  if (error != std::errc() || *end != ':') return std::nullopt;
  return user;
}

}  // namespace

// The parts of a request: version, request id, domain, address, identity, mechanism, credentials.
struct authenticator::question {
  std::vector<zmq::message_t> parts;

  bool complete() const { return parts.size() >= 6 && text(0) == zap_version; }
  std::string_view text(std::size_t part) const { return parts[part].to_string_view(); }
  std::string_view address() const { return text(3); }
  std::string_view mechanism() const { return text(5); }
};

authenticator::authenticator(zmq::context_t& context, std::optional<allow_list> allowed)
    : socket_(context, zmq::socket_type::rep), allowed_(std::move(allowed)) {
  socket_.set(zmq::sockopt::linger, 0);
  uninterrupted([&] { socket_.bind("inproc://zeromq.zap.01"); });
}

int authenticator::descriptor() { return descriptor_of(socket_); }

void authenticator::serve() {
  for (;;) {
    question asked;
    do {
      zmq::message_t part;
      if (!receive_part(socket_, part)) return;
      asked.parts.push_back(std::move(part));
    } while (asked.parts.back().more());
    answer(asked);
  }
}

bool authenticator::admits(question const& asked) {
  if (!asked.complete()) return false;
  if (asked.mechanism() == "NULL") return user_of(asked.address()) == ::geteuid();
  if (asked.mechanism() != "CURVE" || asked.parts.size() != 7 || !allowed_) return false;
  raw_key key{};
  if (asked.parts[6].size() != key.size()) return false;
  std::memcpy(key.data(), asked.parts[6].data(), key.size());
  return allowed_->admits(key);
}

void authenticator::answer(question const& asked) {
  auto const admitted = admits(asked);
  if (!admitted) ++refused_;
  auto const say = [&](std::string_view text, bool more = true) {
    zmq::message_t part(text.data(), text.size());
    send_part(socket_, part, more);
  };
  say(zap_version);
  say(asked.parts.size() > 1 ? asked.text(1) : "");
  say(admitted ? "200" : "400");
  say("");
  say("");  // no user id: who it is, the frames say
  say("", false);
}

}  // namespace yonder::transport
