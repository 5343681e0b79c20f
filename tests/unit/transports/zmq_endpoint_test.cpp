// SPDX-License-Identifier: Apache-2.0
#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cstring>
#include <fstream>
#include <functional>
#include <memory>
#include <zmq.hpp>

#include "src/core/little_endian.hpp"
#include "tests/unit/transports/zmq_world.hpp"
#include "transports/zmq/address.hpp"
#include "transports/zmq/message.hpp"
#include "transports/zmq/zmq_client.hpp"
#include "transports/zmq/zmq_server.hpp"

namespace yonder::testing {

namespace {

using transport::zmq_client;
using transport::zmq_server;

union sockaddr_in4_or_6 {
  sockaddr any;
  sockaddr_in four;
  sockaddr_in6 six;
};

// A hub over ipc, which can end and come back.
struct ipc_hub {
  world w;
  temporary_folder folder;
  std::string address = "ipc://" + (folder.path() / "hub").string();
  std::unique_ptr<zmq_server> server;

  void start(limits const& bounds = {}) {
    server = std::make_unique<zmq_server>(w.poller, transport::listen_options{{address}, {}, bounds});
    w.drive(*server);
  }
  void stop() {
    w.forget(*server);
    server.reset();
  }
  std::unique_ptr<zmq_client> client(std::uint64_t session = 1) {
    auto made = std::make_unique<zmq_client>(w.poller, transport::connect_options{address, {}, session, {}});
    w.drive(*made);
    return made;
  }
};

// A DEALER that speaks for itself.
struct raw_client {
  zmq::context_t context;
  zmq::socket_t socket{context, zmq::socket_type::dealer};
  raw_client(std::string const& address, std::string const& name) {
    socket.set(zmq::sockopt::linger, 1000);
    socket.set(zmq::sockopt::routing_id, name);
    socket.connect(address);
  }
  void send(std::vector<detail::byte_buffer> const& parts) {
    for (auto const& part : parts)
      socket.send(zmq::const_buffer(part.data(), part.size()),
                  &part == &parts.back() ? zmq::send_flags::none : zmq::send_flags::sndmore);
  }
};

detail::byte_buffer head_of(frame const& message) {
  auto const head = core::encode_header(message.head, message.metadata());
  auto part = detail::byte_buffer::copy_of(head);
  part.append(message.body.data(), message.body.size());
  return part;
}

std::vector<detail::byte_buffer> parts_of(frame const& message) {
  std::vector<detail::byte_buffer> parts;
  parts.push_back(head_of(message));
  for (auto const& each : message.buffers) parts.push_back(detail::byte_buffer::copy_of(each.bytes()));
  return parts;
}

}  // namespace

TEST_CASE("a client that connects anew under its session is a new peer; the old one is lost first") {
  ipc_hub hub;
  hub.start();
  raw_client first(hub.address, routing_id(77, 0));
  first.send(parts_of(make_frame(1)));
  auto const before = hub.w.next(*hub.server, kind::connected).peer;
  hub.w.next(*hub.server, kind::received);
  auto const second = hub.client(77);  // the first still stands: half open, say
  hub.w.send(*second, hub.w.next(*second, kind::connected).peer, make_frame(2));
  CHECK(hub.w.next(*hub.server, kind::lost).peer == before);
  auto const after = hub.w.next(*hub.server, kind::connected).peer;
  CHECK(after != before);
  CHECK(same(hub.w.next(*hub.server, kind::received).message, make_frame(2)));
  hub.w.send(*hub.server, after, make_frame(3));
  CHECK(same(hub.w.next(*second, kind::received).message, make_frame(3)));
}

TEST_CASE("what an earlier start of a session says late does not displace the later one") {
  ipc_hub hub;
  hub.start();
  raw_client later(hub.address, routing_id(77, 2));
  later.send(parts_of(make_frame(1)));
  auto const peer = hub.w.next(*hub.server, kind::connected).peer;
  hub.w.next(*hub.server, kind::received);
  raw_client earlier(hub.address, routing_id(77, 1));
  earlier.send(parts_of(make_frame(2)));
  for (int i = 0; i < 30; ++i) hub.w.turn();  // nothing is to come of it
  later.send(parts_of(make_frame(3)));
  auto const got = hub.w.next(*hub.server, kind::received);
  CHECK(got.peer == peer);
  CHECK(same(got.message, make_frame(3)));
}

TEST_CASE("a message past the limit is not read to its end") {
  limits bounds;
  bounds.max_frame_bytes = 10'000;
  ipc_hub hub;
  hub.start(bounds);
  raw_client hostile(hub.address, "hostile");
  hostile.send(parts_of(make_frame(1)));
  hub.w.next(*hub.server, kind::connected);
  hub.w.next(*hub.server, kind::received);
  hostile.send(parts_of(make_frame(2, 20'000)));
  CHECK(hub.w.next(*hub.server, kind::lost).reason.find("larger than the limit") == std::string::npos);
}

TEST_CASE("a hub that ends leaves the socket of another one alone") {
  ipc_hub hub;
  hub.start();
  auto const path = hub.folder.path() / "hub";
  std::filesystem::rename(path, hub.folder.path() / "old");
  zmq_server const other(hub.w.poller, {{hub.address}, {}, {}});
  hub.stop();
  CHECK(std::filesystem::exists(path));
}

TEST_CASE("over ipc every peer has proved which process it is") {
  ipc_hub hub;
  hub.start();
  auto const client = hub.client();
  hub.w.send(*client, hub.w.next(*client, kind::connected).peer, make_frame(1));
  CHECK(hub.w.next(*hub.server, kind::connected).identity == "process " + std::to_string(::getpid()));
}

TEST_CASE("a hub serves ipc and tcp at once") {
  ipc_hub hub;
  auto const keys = hub.folder.path() / "keys";
  transport::keygen(keys);
  zmq_server server(hub.w.poller, {{hub.address, "tcp://127.0.0.1:*", "tcp://[::1]:*"}, keys, {}});
  hub.w.drive(server);
  REQUIRE(server.addresses().size() == 3);
  std::uint64_t session = 1;
  for (auto const& address : server.addresses()) {
    auto client =
        std::make_unique<zmq_client>(hub.w.poller, transport::connect_options{address, keys, ++session, {}});
    hub.w.drive(*client);
    hub.w.send(*client, hub.w.next(*client, kind::connected).peer, make_frame(session));
    hub.w.next(server, kind::connected);
    CHECK(same(hub.w.next(server, kind::received).message, make_frame(session)));
    hub.w.forget(*client);
    client.reset();
    hub.w.next(server, kind::lost);
  }
  hub.w.forget(server);
}

TEST_CASE("hostile messages end their peer in words, and no other") {
  limits bounds;
  bounds.max_frame_bytes = 10'000;
  bounds.max_buffers = 4;
  auto const broken = [](std::size_t at) {
    auto parts = parts_of(make_frame(1, 30));
    parts[0].data()[at] ^= std::byte{1};
    return parts;
  };
  struct example {
    std::vector<detail::byte_buffer> parts;
    std::string reason;
  };
  std::vector<example> examples;
  examples.push_back({broken(0), "a frame is damaged: not a frame of this protocol"});
  examples.push_back({broken(56), "a frame is damaged: a wrong checksum"});
  examples.push_back({broken(66), "a frame is damaged: a wrong checksum"});
  examples.push_back({broken(53), "a frame is damaged: metadata longer than the frame"});
  examples.push_back({{}, "a frame is damaged: shorter than a header"});
  examples.back().parts.emplace_back();
  examples.push_back({{}, "a frame is damaged: shorter than a header"});
  examples.back().parts.push_back(random_bytes(63, 1));
  examples.push_back(
      {parts_of(make_frame(1, 10, {1, 1, 1, 1, 1})), "a frame has more buffers than the limit of 4"});
  examples.push_back(
      {parts_of(make_frame(1, 10, {5000, 5000})), "a frame is larger than the limit of 10000 bytes"});
  examples.push_back(
      {parts_of(make_frame(1, 10, {1})), "a frame's header counts other buffers than came with it"});
  examples.back().parts.emplace_back();

  ipc_hub hub;
  hub.start(bounds);
  auto const good = hub.client();
  auto const to_hub = hub.w.next(*good, kind::connected).peer;
  hub.w.send(*good, to_hub, make_frame(1));
  hub.w.next(*hub.server, kind::connected);
  hub.w.next(*hub.server, kind::received);
  std::uint64_t number = 0;
  for (auto const& each : examples) {
    CAPTURE(each.reason);
    {
      raw_client hostile(hub.address, "hostile" + std::to_string(++number));
      hostile.send(parts_of(make_frame(7)));
      hostile.send(each.parts);
      hostile.send(parts_of(make_frame(8)));
      auto const peer = hub.w.next(*hub.server, kind::connected).peer;
      CHECK(same(hub.w.next(*hub.server, kind::received).message, make_frame(7)));
      auto const lost = hub.w.next(*hub.server, kind::lost);
      CHECK(lost.peer == peer);
      CHECK(lost.reason == each.reason);
      CHECK(hub.server->send(peer, make_frame(1)) == send_status::gone);
    }
    hub.w.send(*good, to_hub, make_frame(number));
    CHECK(same(hub.w.next(*hub.server, kind::received).message, make_frame(number)));
  }
  CHECK(hub.w.events(*hub.server).empty());
}

TEST_CASE("random messages never do anything but end their peer") {
  ipc_hub hub;
  hub.start();
  for (std::uint64_t seed = 1; seed <= 30; ++seed) {
    raw_client hostile(hub.address, "hostile" + std::to_string(seed));
    std::vector<detail::byte_buffer> parts;
    for (std::uint64_t i = 0; i < 1 + seed % 3; ++i)
      parts.push_back(random_bytes(2 + seed * 37 * (i + 1) % 500, seed + i));
    hostile.send(parts);
    hub.w.next(*hub.server, kind::connected);
    CHECK_FALSE(hub.w.next(*hub.server, kind::lost).reason.empty());
  }
}

TEST_CASE("owned buffers are sent without a copy, and let go once they are sent") {
  ipc_hub hub;
  hub.start();
  auto const client = hub.client();
  auto const to = hub.w.next(*client, kind::connected).peer;
  auto owner = std::make_shared<detail::byte_buffer>(random_bytes(2'000'000, 1));
  auto message = make_frame(1, 10);
  message.buffers.push_back({owner->data(), owner->size(), owner});
  message.head.buffer_count = 1;
  REQUIRE(client->send(to, message) == send_status::sent);
  message = {};
  hub.w.next(*hub.server, kind::connected);
  hub.w.next(*hub.server, kind::received);
  hub.w.run_until([&] { return owner.use_count() == 1; });
}

namespace {

struct counted_bell final : platform::doorbell {
  int rung = 0;
  void ring() noexcept override { ++rung; }
};

}  // namespace

TEST_CASE("a large part that is borrowed is copied before libzmq has it, and one that is owned is not") {
  counted_bell bell;
  auto const account = std::make_shared<transport::transit>(bell);
  auto const part = detail::owned_copy(random_bytes(100'000, 1));
  auto message = make_frame(1, 10);
  message.buffers = {{part.data, part.size, nullptr}, part};
  REQUIRE(message.buffers[0].borrowed());
  auto const packed = transport::pack(message, account);
  REQUIRE(packed.buffers.size() == 2);
  CHECK(packed.buffers[0].data() != part.data);
  CHECK(packed.buffers[0].size() == part.size);
  CHECK(std::memcmp(packed.buffers[0].data(), part.data, part.size) == 0);
  CHECK(packed.buffers[1].data() == part.data);
}

TEST_CASE("whoever finds a queue full is woken once libzmq has let something go, and then there is room") {
  counted_bell bell;
  transport::outbox queue(bell);
  auto const message = make_frame(1, 10, {100'000});
  {
    auto const held = queue.pack(message);
    CHECK_FALSE(queue.is_full(1, 200'000));
    CHECK(queue.is_full(100'001, 200'000));
    CHECK(bell.rung == 0);
  }
  CHECK(bell.rung == 1);
  CHECK_FALSE(queue.is_full(100'001, 200'000));
}

// Threads are refused as where `ulimit -u` or `ulimit -v` is too low. ThreadSanitizer and AddressSanitizer
// map more than any limit.
TEST_CASE("where there is no thread for libzmq, which would end the program, that is said" *
          doctest::skip(YONDER_IS_SANITIZED)) {
  world w;
  temporary_folder const folder;
  constexpr std::size_t large = std::size_t{64} << 20;
  pthread_attr_t before;
  pthread_attr_t wanted;
  REQUIRE(::pthread_getattr_default_np(&before) == 0);
  REQUIRE(::pthread_getattr_default_np(&wanted) == 0);
  ::pthread_attr_setstacksize(&wanted, large);  // none that is kept for another thread fits
  REQUIRE(::pthread_setattr_default_np(&wanted) == 0);
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_AS, &limit) == 0);
  rlimit const little{pages * static_cast<std::size_t>(::sysconf(_SC_PAGESIZE)) + large + large / 2,
                      limit.rlim_max};
  REQUIRE(::setrlimit(RLIMIT_AS, &little) == 0);
  std::string said;
  try {
    transport::zmq_transport().listen(
        w.poller, {.addresses = {"ipc://" + (folder.path() / "hub").string()}, .keys = {}, .bounds = {}});
  } catch (std::system_error const& refused) {
    said = refused.what();
  }
  ::setrlimit(RLIMIT_AS, &limit);
  ::pthread_setattr_default_np(&before);
  CHECK(said.find("too few threads") == 0);
}

TEST_CASE("a network device is listened at by its address of IPv4, or of IPv6, or else its link's own") {
  char device[] = "eth0", other[] = "eth1";
  sockaddr_in4_or_6 addresses[4]{};
  std::vector<ifaddrs> all;
  auto const address_of = [&](std::vector<std::pair<char*, char const*>> const& listed) {
    all.assign(listed.size(), ifaddrs{});
    for (std::size_t i = 0; i < listed.size(); ++i) {
      auto& at = addresses[i];
      auto const is_ipv6 = std::strchr(listed[i].second, ':') != nullptr;
      at = {};
      if (is_ipv6) {
        at.six.sin6_family = AF_INET6;
        REQUIRE(::inet_pton(AF_INET6, listed[i].second, &at.six.sin6_addr) == 1);
      } else {
        at.four.sin_family = AF_INET;
        REQUIRE(::inet_pton(AF_INET, listed[i].second, &at.four.sin_addr) == 1);
      }
      all[i].ifa_name = listed[i].first;
      all[i].ifa_addr = &at.any;
      all[i].ifa_next = i + 1 < listed.size() ? &all[i + 1] : nullptr;
    }
    return transport::address_of_device(all.empty() ? nullptr : all.data(), "eth0");
  };
  CHECK(
      address_of({{device, "fe80::1"}, {device, "2001:db8::7"}, {other, "10.0.0.1"}, {device, "10.0.0.2"}}) ==
      "10.0.0.2");
  CHECK(address_of({{device, "fe80::1"}, {other, "10.0.0.1"}, {device, "2001:db8::7"}}) == "2001:db8::7");
  CHECK(address_of({{other, "2001:db8::7"}, {device, "fe80::1"}, {device, "fe80::2"}}) == "fe80::1%eth0");
  CHECK(address_of({{other, "10.0.0.1"}}).empty());
  CHECK(address_of({}).empty());
  auto const of_link = std::get<transport::tcp_address>(
      transport::parse_address("tcp://[fe80::1%eth0]:5555", transport::address_use::connect));
  CHECK(transport::to_string(of_link) == "tcp://[fe80::1%eth0]:5555");
}

}  // namespace yonder::testing
