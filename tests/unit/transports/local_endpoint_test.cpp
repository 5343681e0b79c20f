// SPDX-License-Identifier: Apache-2.0
#include "transports/local/local_endpoint.hpp"

#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cstdlib>
#include <functional>
#include <span>
#include <system_error>
#include <thread>

#include "src/core/little_endian.hpp"
#include "tests/unit/transports/signal_storm.hpp"
#include "tests/unit/transports/world.hpp"
#include "transports/local/send_queue.hpp"
#include "transports/local/stream_parser.hpp"

namespace {
std::atomic<int> sends{0};
std::atomic<int> receives{0};
std::function<void()> at_each_read = [] {};  // of recv()
}  // namespace

// Count the system calls that the endpoint makes.
extern "C" ssize_t sendmsg(int fd, msghdr const* message, int flags) {
  ++sends;
  return ::syscall(SYS_sendmsg, fd, message, flags);
}
extern "C" ssize_t send(int fd, void const* from, std::size_t size, int flags) {
  ++sends;
  return ::syscall(SYS_sendto, fd, from, size, flags, nullptr, 0);
}
extern "C" ssize_t recv(int fd, void* to, std::size_t size, int flags) {
  ++receives;
  at_each_read();
  return ::syscall(SYS_recvfrom, fd, to, size, flags, nullptr, nullptr);
}
extern "C" ssize_t recvmsg(int fd, msghdr* message, int flags) {
  ++receives;
  return ::syscall(SYS_recvmsg, fd, message, flags);
}

namespace yonder::testing {

namespace {

using transport::append_stream_head;
using transport::local_endpoint;

std::pair<platform::unique_fd, platform::unique_fd> socket_pair() {
  int fds[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) != 0)
    throw std::system_error(errno, std::generic_category(), "socketpair");
  return {platform::unique_fd(fds[0]), platform::unique_fd(fds[1])};
}

struct local_pair {
  world w;
  local_endpoint near{w.poller}, far{w.poller};
  peer_id to_far, to_near;

  local_pair() {
    auto [one, other] = socket_pair();
    w.drive(near);
    w.drive(far);
    to_far = near.add(std::move(one));
    to_near = far.add(std::move(other));
    w.next(near, kind::connected);
    w.next(far, kind::connected);
  }
};

// An endpoint whose only peer is written to by hand.
struct victim {
  world w;
  local_endpoint endpoint;
  platform::unique_fd other;
  peer_id peer;

  explicit victim(limits const& bounds = {}) : endpoint(w.poller, bounds) {
    auto [one, another] = socket_pair();
    other = std::move(another);
    w.drive(endpoint);
    peer = endpoint.add(std::move(one));
    w.next(endpoint, kind::connected);
  }

  void write(std::span<std::byte const> bytes) const {
    REQUIRE(::write(other.get(), bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size()));
  }
  void write(frame const& message) const {
    detail::byte_buffer bytes;
    append_stream_head(bytes, message);
    bytes.append(message.body.data(), message.body.size());
    for (auto const& part : message.buffers) bytes.append(part.data, part.size);
    write(bytes);
  }
  std::string lost() {
    auto const event = w.next(endpoint, kind::lost);
    CHECK(event.peer == peer);
    CHECK(endpoint.send(peer, make_frame(1)) == send_status::gone);
    return event.reason;
  }
};

}  // namespace

TEST_CASE("a lone small frame costs one system call on either side") {
  local_pair p;
  sends = receives = 0;
  REQUIRE(p.near.send(p.to_far, make_frame(1)) == send_status::sent);
  CHECK(sends == 0);
  p.near.flush();
  CHECK(sends == 1);
  p.w.next(p.far, kind::received);
  CHECK(receives == 1);
}

TEST_CASE("many small frames leave in one system call, and arrive in one") {
  local_pair p;
  sends = receives = 0;
  for (std::uint64_t i = 0; i < 200; ++i) REQUIRE(p.near.send(p.to_far, make_frame(i)) == send_status::sent);
  p.near.flush();
  CHECK(sends == 1);
  std::vector<event> events;
  p.w.poller.wait(1'000'000'000);
  p.far.receive(events, 1000);
  CHECK(events.size() == 200);
  CHECK(receives == 1);
  CHECK_FALSE(p.far.pending());
}

TEST_CASE("what blocks in wait() is the read itself") {
  local_pair p;
  p.near.send(p.to_far, make_frame(1));
  p.near.flush();
  receives = 0;
  CHECK(p.far.wait(10'000'000'000));
  std::vector<event> events;
  p.far.receive(events, 10);
  REQUIRE(events.size() == 1);
  CHECK(same(events[0].message, make_frame(1)));
  CHECK(receives == 1);
}

TEST_CASE("wait() ends with its time, at once if it is zero, and with the connection") {
  local_pair p;
  CHECK_FALSE(p.far.wait(0));
  CHECK_FALSE(p.far.wait(3'000'000));
  p.near.close(p.to_far);
  CHECK(p.far.wait(-1));
  std::vector<event> events;
  p.far.receive(events, 10);
  REQUIRE(events.size() == 1);
  CHECK(events[0].what == kind::lost);
  CHECK_FALSE(p.far.wait(-1));  // nobody is left to wait for
}

TEST_CASE("signals that a handler takes end a wait, and nothing else") {
  local_pair p;
  signal_storm const storm(::pthread_self());
  for (std::uint64_t i = 0; i < 2'000; ++i) {
    REQUIRE(p.near.send(p.to_far, make_frame(i, 100)) == send_status::sent);
    p.near.flush();
    std::vector<event> events;
    while (events.empty()) {
      p.far.wait(1'000'000);
      p.far.receive(events, 10);
    }
    REQUIRE(events.size() == 1);
    REQUIRE(same(events[0].message, make_frame(i, 100)));
    p.far.wait(1'000);
  }
}

TEST_CASE("large buffers are read through wait() like any other") {
  victim v;
  auto const sent = make_frame(1, 100'000, {4'000'000});
  std::thread sender([&] { v.write(sent); });
  std::vector<event> events;
  while (events.empty()) {
    v.endpoint.wait(1'000'000'000);
    v.endpoint.receive(events, 10);
  }
  sender.join();
  CHECK(same(events[0].message, sent));
}

TEST_CASE("a connection that ends in the middle of a frame is lost, in words") {
  for (std::size_t const part : {1, 8, 40, 72, 90}) {
    victim v;
    detail::byte_buffer bytes;
    auto const whole = make_frame(3, 100);
    append_stream_head(bytes, whole);
    bytes.append(whole.body.data(), whole.body.size());
    v.write(make_frame(2));
    v.write(bytes.bytes().first(part));
    v.other.reset();
    CHECK(same(v.w.next(v.endpoint, kind::received).message, make_frame(2)));
    CHECK(v.lost() == "the connection ended in the middle of a frame");
  }
}

TEST_CASE("a connection that ends between two frames is lost without a reason") {
  victim v;
  v.write(make_frame(2));
  v.other.reset();
  v.w.next(v.endpoint, kind::received);
  CHECK(v.lost().empty());
}

TEST_CASE("hostile bytes end their connection in words, and no other") {
  auto const hostile = [](std::size_t at, std::uint32_t value) {
    detail::byte_buffer bytes;
    auto const plain = make_frame(1, 50);
    append_stream_head(bytes, plain);
    bytes.append(plain.body.data(), plain.body.size());
    core::store_le(bytes.data() + at, value);
    return bytes;
  };
  struct example {
    detail::byte_buffer bytes;
    std::string reason;
  };
  std::vector<example> examples;
  examples.push_back({hostile(0, 3), "a frame is announced that is shorter than its header"});
  examples.push_back({hostile(0, 0x7fffffff), "a frame is larger than the limit of 1073741824 bytes"});
  examples.push_back({hostile(4, 1'000'000), "a frame has more buffers than the limit of 65536"});
  examples.push_back({hostile(8, 0), "a frame is damaged: not a frame of this protocol"});
  examples.push_back({hostile(64, 0), "a frame is damaged: a wrong checksum"});
  for (auto const& each : examples) {
    victim v;
    auto [one, another] = socket_pair();
    auto const good = v.endpoint.add(std::move(one));
    v.w.next(v.endpoint, kind::connected);
    v.write(make_frame(8));
    v.write(each.bytes);
    v.w.next(v.endpoint, kind::received);
    CHECK(v.lost() == each.reason);
    char byte;
    CHECK(::read(v.other.get(), &byte, 1) <= 0);  // it is told by the end of the connection
    v.other = std::move(another);
    v.write(make_frame(9));
    CHECK(v.w.next(v.endpoint, kind::received).peer == good);
  }
}

TEST_CASE("random bytes never do anything but end the connection") {
  for (std::uint64_t seed = 0; seed < 300; ++seed) {
    victim v;
    auto bytes = random_bytes(1 + seed * 7, seed);
    if (seed % 2 == 0) core::store_le(bytes.data(), static_cast<std::uint8_t>(100));
    v.write(bytes);
    v.other.reset();
    CHECK_FALSE(v.lost().empty());
  }
}

TEST_CASE("of one that has gone so much is taken as lies there, however much its heirs go on to write") {
  victim v;
  for (std::uint64_t i = 0; i < 3; ++i) v.write(make_frame(i));
  std::uint64_t written = 3;
  at_each_read = [&] {
    if (written < 100) v.write(make_frame(written++));
  };
  std::vector<event> events;
  v.endpoint.drain(v.peer, events);
  at_each_read = [] {};
  CHECK(written == 4);
  CHECK(events.size() == 4);
  for (std::uint64_t i = 0; i < 4; ++i) CHECK(same(events.at(i).message, make_frame(i)));
}

TEST_CASE("sending to a peer that has gone says gone, and its last words are still heard") {
  victim v;
  v.write(make_frame(5));
  v.other.reset();
  auto status = send_status::sent;
  for (int i = 0; i < 3 && status == send_status::sent; ++i) {
    status = v.endpoint.send(v.peer, make_frame(1));
    v.endpoint.flush();
  }
  CHECK(status == send_status::gone);
  CHECK(same(v.w.next(v.endpoint, kind::received).message, make_frame(5)));
  v.lost();
}

TEST_CASE("an endpoint keeps unsent owned buffers alive by reference, and lets them go once sent") {
  local_pair p;
  auto owner = std::make_shared<detail::byte_buffer>(random_bytes(3'000'000, 1));
  auto message = make_frame(1, 10);
  message.buffers.push_back({owner->data(), owner->size(), owner});
  message.head.buffer_count = 1;
  REQUIRE(p.near.send(p.to_far, message) == send_status::sent);
  message = {};
  CHECK(owner.use_count() == 2);  // a reference, not a copy
  p.w.next(p.far, kind::received);
  CHECK(owner.use_count() == 1);
}

TEST_CASE("a closed slot is used again, under another id") {
  local_pair p;
  p.near.close(p.to_far);
  auto [one, other] = socket_pair();
  auto const next = p.near.add(std::move(one));
  CHECK(next != p.to_far);
  CHECK(p.near.send(p.to_far, make_frame(1)) == send_status::gone);
  CHECK(p.near.send(next, make_frame(1)) == send_status::sent);
}

TEST_CASE("a frame of exactly the limit passes, one byte more does not, and blocks count together") {
  limits bounds;
  bounds.max_frame_bytes = 1000;
  auto const passes = [&](std::size_t body, std::vector<std::size_t> const& blocks) {
    auto const message = make_frame(1, body, blocks);
    detail::byte_buffer stream;
    append_stream_head(stream, message);
    stream.append(message.body.data(), message.body.size());
    for (auto const& block : message.buffers) stream.append(block.data, block.size);
    transport::stream_parser parser(bounds);
    auto bytes = stream.bytes();
    frame got;
    return parser.next(bytes, got) && same(got, message);
  };
  CHECK(passes(1000 - core::header_size, {}));
  CHECK_FALSE(passes(1001 - core::header_size, {}));
  CHECK(passes(10, {400, 400}));
  CHECK_FALSE(passes(10, {600, 600}));
}

TEST_CASE("what is queued is described within the room that there is") {
  transport::send_queue queue;
  auto const first = make_frame(1, 10, {20'000, 20'000});
  auto const second = make_frame(2, 10, {20'000});
  for (auto const* message : {&first, &second}) queue.append(*message, transport::send_queue::body_as::copy);
  for (std::size_t room = 0; room < 8; ++room) {
    std::array<iovec, 8> parts{};
    auto const used = queue.describe(std::span(parts).first(room));
    CHECK(used <= room);
    for (auto const& behind : std::span(parts).subspan(room)) CHECK(behind.iov_base == nullptr);
  }
}

TEST_CASE("what was sent leaves before a close that follows at once") {
  local_pair p;
  REQUIRE(p.near.send(p.to_far, make_frame(5)) == send_status::sent);
  p.near.close(p.to_far);
  CHECK(same(p.w.next(p.far, kind::received).message, make_frame(5)));
  p.w.next(p.far, kind::lost);
}

}  // namespace yonder::testing
