// SPDX-License-Identifier: Apache-2.0
#include "transports/zmq/authenticator.hpp"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <cstring>
#include <utility>
#include <vector>

#include "transports/zmq/socket.hpp"

namespace yonder::transport {

namespace {

constexpr std::string_view zap_version = "1.0";

struct credentials {
  uid_t user = 0;
  pid_t process = 0;  // 0: of another namespace
};

// libzmq states the address of an ipc peer as "host:uid:gid:pid" (SO_PEERCRED).
std::optional<credentials> credentials_of(std::string_view address) {
  std::array<long, 3> numbers{};  // from the last
  for (auto& number : numbers) {
    auto const colon = address.rfind(':');
    if (colon == std::string_view::npos) return std::nullopt;
    auto const digits = address.substr(colon + 1);
    auto const [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc() || end != digits.data() + digits.size() || digits.empty()) return std::nullopt;
    address = address.substr(0, colon);
  }
  return credentials{static_cast<uid_t>(numbers[2]), static_cast<pid_t>(numbers[0])};
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

authenticator::authenticator(zmq::context_t& context, std::optional<allow_list> allowed,
                             std::optional<raw_key> own)
    : admission(std::move(allowed), own), socket_(context, zmq::socket_type::rep) {
  socket_.set(zmq::sockopt::linger, 0);
  uninterrupted([this] { socket_.bind("inproc://zeromq.zap.01"); });
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

// Nothing: it may not.
std::optional<std::string> authenticator::identify(question const& asked) {
  if (!asked.complete()) return std::nullopt;
  if (asked.mechanism() == "NULL") {
    auto const who = credentials_of(asked.address());
    if (!who || who->user != ::geteuid()) return std::nullopt;
    return identity_of_process(who->process);
  }
  if (asked.mechanism() != "CURVE" || asked.parts.size() != 7 || !has_list()) return std::nullopt;
  raw_key key{};
  if (asked.parts[6].size() != key.size()) return std::nullopt;
  std::memcpy(key.data(), asked.parts[6].data(), key.size());
  auto who = identity_of(key);
  return rights_of(who) ? std::optional(std::move(who)) : std::nullopt;
}

void authenticator::answer(question const& asked) {
  auto const who = identify(asked);
  if (!who) ++refused_;
  auto const say = [&](std::string_view text, bool more = true) {
    zmq::message_t part(text.data(), text.size());
    send_part(socket_, part, more);
  };
  say(zap_version);
  say(asked.parts.size() > 1 ? asked.text(1) : "");
  say(who ? "200" : "400");
  say("");
  say(who.value_or(""));
  say("", false);
}

}  // namespace yonder::transport
