// SPDX-License-Identifier: Apache-2.0
// How whoever drives an endpoint sleeps in its only connection, or looks at memories without the poller.
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <bit>
#include <cstdint>

#include "src/platform/descriptors.hpp"
#include "src/platform/system_call.hpp"
#include "transports/local/local_endpoint.hpp"

namespace yonder::transport {

namespace {

constexpr std::int64_t ns_per_millisecond = 1'000'000;

}  // namespace

// What waits for room in the socket is noticed by the poller only.
bool local_endpoint::can_wait() const noexcept {
  auto const live = [](auto const& each) { return each != nullptr; };
  auto const only = std::find_if(peers_.begin(), peers_.end(), live);
  return only != peers_.end() && !(*only)->blocked && (*only)->memory == nullptr &&
         std::none_of(only + 1, peers_.end(), live);
}

// Without the lock: touches only what receiving touches, and no list in which send() may enter a peer.
bool local_endpoint::wait(std::int64_t timeout_ns) {
  auto const only =
      std::find_if(peers_.begin(), peers_.end(), [](auto const& each) { return each != nullptr; });
  if (only == peers_.end()) return false;
  set_wait_limit(**only, timeout_ns);
  return find_bytes(**only, timeout_ns == 0 ? MSG_DONTWAIT : 0);
}

// What comes by a socket, or waits for room, is noticed by the poller only.
bool local_endpoint::watch() {
  constexpr std::size_t most = 8;  // beyond, looking takes too long
  bool all = !pending();
  for (auto const& each : peers_) {
    if (each == nullptr) continue;
    all = all && !each->blocked && !each->ended && !each->deaf && watched_.size() < most;
    if (all && each->memory) watched_.push_back({each->memory, each->memory->taken()});
  }
  if (!all) watched_.clear();
  return !watched_.empty();
}

bool local_endpoint::look() const noexcept {
  return std::any_of(watched_.begin(), watched_.end(),
                     [](watched const& one) { return one.memory->wrote_past(one.taken); });
}

bool local_endpoint::find_bytes(peer& from, int flags) {
  auto const bytes = take(from, flags);
  if (bytes.nothing) return false;
  hold(from, bytes);
  return true;
}

// At most one peer's bytes lie in scratch_ until they are delivered.
void local_endpoint::hold(peer& from, taken const& bytes) noexcept {
  from.found = bytes;
  found_ = from.id;
}

// The limit sits in the socket. It is rounded down to a power of two, so that a time that runs down towards a
// heartbeat costs a few system calls, not one for every wait.
void local_endpoint::set_wait_limit(peer& from, std::int64_t timeout_ns) {
  auto const timeout_ms =
      static_cast<std::uint64_t>(std::max<std::int64_t>(timeout_ns, 0) / ns_per_millisecond);
  auto const limit = timeout_ns < 0 ? 0 : static_cast<std::int64_t>(std::bit_floor(timeout_ms + 1));
  if (timeout_ns == 0 || limit == from.wait_limit_ms) return;
  timeval const time{limit / 1000, suseconds_t{limit % 1000} * 1000};
  if (::setsockopt(from.socket.get(), SOL_SOCKET, SO_RCVTIMEO, &time, sizeof time) != 0)
    platform::throw_errno("setsockopt");
  from.wait_limit_ms = limit;
}

}  // namespace yonder::transport
