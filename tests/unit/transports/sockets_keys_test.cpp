// SPDX-License-Identifier: Apache-2.0
#include <poll.h>

#include <array>
#include <future>

#include "tests/unit/transports/keys_conformance.hpp"
#include "tests/unit/transports/socket_ends.hpp"
#include "transports/sockets/dial.hpp"
#include "transports/zmq/enrolment.hpp"

using yonder::testing::tls_way;
TYPE_TO_STRING(tls_way);

namespace yonder::testing {
YONDER_TEST_KEYS(tls_way);

namespace {

using namespace std::chrono_literals;

constexpr std::array<unsigned char, 7> handshake_failure{0x15, 3, 3, 0, 2, 2, 40};

// A hub that may not be there yet, and somebody with a token for it.
struct expected_hub : hub_place<tls_way> {
  std::uint16_t port = static_cast<std::uint16_t>(std::stoi(address.substr(address.rfind(':') + 1)));
  std::future<transport::connect_options> coming;

  void come(std::string const& host) {
    auto const token = transport::issue_token(
        keys(), {.name = "newcomer", .rights = {.calls = false, .works = true}}, 10min);
    auto const to = "tls://" + host + ":" + std::to_string(port) + "#" + token;
    coming = std::async(std::launch::async, [to, into = folder.path() / "there" / "yonder"] {
      return transport::socket_transport().admitted({to, into, 0, {}, transport::connect_role::worker});
    });
  }
  bool has_come() const { return coming.wait_for(0s) == std::future_status::ready; }
};

}  // namespace

TEST_CASE("a token waits for its hub, and what is in its place before is no answer") {
  expected_hub here;
  here.come("127.0.0.1");
  {
    auto const posing = transport::listen_at("127.0.0.1", here.port);
    for (int i = 0; i < 2; ++i) {
      pollfd asked{posing.get(), POLLIN, 0};
      REQUIRE(::poll(&asked, 1, 10'000) == 1);
      platform::unique_fd const victim(::accept4(posing.get(), nullptr, nullptr, SOCK_CLOEXEC));
      ::send(victim.get(), handshake_failure.data(), handshake_failure.size(), MSG_NOSIGNAL);
    }
  }
  here.start();
  here.w.run_until([&] { return here.has_come(); });
  CHECK(here.coming.get().address == here.address);
}

TEST_CASE("a token is good at every address of its hub's name, whatever the first one says, or does not") {
  for (bool const says_something : {true, false}) {
    CAPTURE(says_something);
    expected_hub here;
    here.start();
    auto const other = transport::listen_at("::1", here.port);
    if (!other) {
      MESSAGE("skipped: no IPv6 here, or somebody is at the same port");
      return;
    }
    here.come("two-addresses.test");
    std::vector<platform::unique_fd> others;
    here.w.run_until([&] {
      platform::unique_fd made(::accept4(other.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (made && says_something)
        ::send(made.get(), handshake_failure.data(), handshake_failure.size(), MSG_NOSIGNAL);
      else if (made)
        others.push_back(std::move(made));
      return here.has_come();
    });
    CHECK_NOTHROW(here.coming.get());
  }
}

}  // namespace yonder::testing
