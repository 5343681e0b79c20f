// SPDX-License-Identifier: Apache-2.0
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>
#include <optional>
#include <vector>

#include "src/core/little_endian.hpp"
#include "tests/unit/transports/world.hpp"
#include "transports/local/local_endpoint.hpp"

namespace yonder::testing {

namespace {

// Seals each piece as its size and its bytes, changed; opens no more than `step` bytes at once.
class toy_cipher final : public transport::stream_cipher {
 public:
  static constexpr std::size_t most = 1'000;

  toy_cipher(std::size_t step, int* records) : step_(step), records_(records) {}

  std::size_t open(std::span<std::byte const>& bytes, std::span<std::byte> room) override {
    got_.append(bytes.data(), bytes.size());
    bytes = {};
    if (got_.size() - taken_ < 2) return 0;
    size_ = core::load_le<std::uint16_t>(got_.data() + taken_);
    if (size_ == 0 || size_ > most) {
      fault_ = "a toy record of no size";
      return 0;
    }
    if (got_.size() - taken_ < 2U + size_) return 0;
    auto const count = std::min({room.size(), step_, std::size_t{size_} - at_});
    for (std::size_t i = 0; i < count; ++i) room[i] = got_.data()[taken_ + 2 + at_ + i] ^ std::byte{0x5a};
    at_ += count;
    if (at_ == size_) {
      taken_ += 2U + size_;
      at_ = size_ = 0;
      if (taken_ == got_.size()) {
        got_.clear();
        taken_ = 0;
      }
    }
    return count;
  }

  bool seal(std::span<std::byte const> plain, detail::byte_buffer& to) override {
    while (!plain.empty()) {
      auto const piece = plain.first(std::min(most, plain.size()));
      core::store_le(to.extend(2), static_cast<std::uint16_t>(piece.size()));
      for (auto const one : piece) *to.extend(1) = one ^ std::byte{0x5a};
      plain = plain.subspan(piece.size());
      if (records_ != nullptr) ++*records_;
    }
    return true;
  }

  std::string const& fault() const noexcept override { return fault_; }

 private:
  std::size_t step_;
  int* records_;
  detail::byte_buffer got_;
  std::size_t taken_ = 0;
  std::size_t at_ = 0;
  std::uint16_t size_ = 0;
  std::string fault_;
};

struct ends {
  platform::unique_fd one, other;
  ends() {
    int both[2];
    REQUIRE(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) == 0);
    one.reset(both[0]);
    other.reset(both[1]);
  }
};

// Two endpoints with a cipher between them.
struct sealed_pair {
  world w;
  transport::local_endpoint a, b;
  peer_id at_a, at_b;
  int records = 0;  // that a has sealed

  explicit sealed_pair(std::size_t step, limits const& bounds = {})
      : a(w.poller, bounds), b(w.poller, bounds) {
    ends both;
    at_a = a.add_connection(std::move(both.one), std::make_unique<toy_cipher>(step, &records));
    at_b = b.add_connection(std::move(both.other), std::make_unique<toy_cipher>(step, nullptr));
    w.drive(a);
    w.drive(b);
    w.next(a, kind::connected);
    w.next(b, kind::connected);
  }
};

}  // namespace

TEST_CASE("frames of any size pass a cipher, in whatever pieces it opens them") {
  for (std::size_t const step : {1, 7, 999, 16'384}) {
    sealed_pair pair(step);
    std::uint64_t number = 0;
    bool const slow = step == 1;
    std::size_t const large = slow ? 18'000 : 3'000'000;
    for (auto const& shape : std::vector<std::vector<std::size_t>>{{}, {0}, {1, large, 0, 170}, {20'000}}) {
      for (std::size_t const body : {std::size_t{0}, std::size_t{100}, std::size_t{slow ? 300U : 50'000U}}) {
        auto const sent = make_frame(++number, body, shape);
        pair.w.send(pair.a, pair.at_a, sent);
        CHECK(same(pair.w.next(pair.b, kind::received).message, sent));
        pair.w.send(pair.b, pair.at_b, sent);
        CHECK(same(pair.w.next(pair.a, kind::received).message, sent));
      }
    }
  }
}

TEST_CASE("many small frames of one turn are sealed together") {
  sealed_pair pair(16'384);
  pair.records = 0;
  for (std::uint64_t i = 0; i < 7; ++i)
    REQUIRE(pair.a.send(pair.at_a, make_frame(i, 10)) == send_status::sent);
  CHECK(pair.records == 0);
  pair.a.flush();
  CHECK(pair.records == 1);
  for (std::uint64_t i = 0; i < 7; ++i)
    CHECK(same(pair.w.next(pair.b, kind::received).message, make_frame(i, 10)));
}

TEST_CASE("what is sealed and not sent counts against the queue's limit, and leaves in order") {
  limits bounds;
  bounds.max_queue_bytes = 1 << 20;
  sealed_pair pair(16'384, bounds);
  std::uint64_t taken = 0;
  while (pair.a.send(pair.at_a, make_frame(taken, 10'000)) == send_status::sent) REQUIRE(++taken < 10'000);
  CHECK(taken > 100);
  for (std::uint64_t i = 0; i < taken; ++i)
    REQUIRE(same(pair.w.next(pair.b, kind::received).message, make_frame(i, 10'000)));
  pair.w.send(pair.a, pair.at_a, make_frame(taken));
  CHECK(same(pair.w.next(pair.b, kind::received).message, make_frame(taken)));
}

TEST_CASE("what is damaged under a cipher ends its peer, in the cipher's words") {
  world w;
  transport::local_endpoint receiver(w.poller);
  ends both;
  auto const peer =
      receiver.add_connection(std::move(both.one), std::make_unique<toy_cipher>(16'384, nullptr));
  w.drive(receiver);
  w.next(receiver, kind::connected);
  std::array<char, 4> const bytes{};
  REQUIRE(::write(both.other.get(), bytes.data(), bytes.size()) == 4);
  auto const lost = w.next(receiver, kind::lost);
  CHECK(lost.peer == peer);
  CHECK(lost.reason == "a toy record of no size");
}

// A connection that was made by an address ends with this process's own end of it.
TEST_CASE("a fork of this process keeps no connection that was made by an address" *
          doctest::skip(YONDER_IS_SANITIZED)) {
  world w;
  ends both, life;
  std::optional<transport::local_endpoint> keeps(w.poller);
  keeps->add_connection(std::move(both.one), nullptr);
  auto const child = ::fork();
  if (child == 0) {
    char none = 0;
    life.one.reset();
    [[maybe_unused]] auto const waited = ::read(life.other.get(), &none, 1);
    ::_exit(0);
  }
  keeps.reset();
  char none = 0;
  CHECK(::read(both.other.get(), &none, 1) == 0);  // the end of it, although the fork lives
  life.one.reset();
  life.other.reset();
}

}  // namespace yonder::testing
