// SPDX-License-Identifier: Apache-2.0
#include "transports/local/channel.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cstring>
#include <filesystem>
#include <functional>
#include <optional>
#include <random>
#include <span>
#include <system_error>
#include <thread>

#include "src/platform/process.hpp"
#include "tests/unit/transports/signal_storm.hpp"
#include "tests/unit/transports/world.hpp"
#include "transports/local/local_endpoint.hpp"

namespace yonder::testing {
namespace {

using transport::channel;
using transport::channel_page;
using transport::local_endpoint;

struct socket_pair {
  platform::unique_fd one, other;
  socket_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0)
      throw std::system_error(errno, std::generic_category(), "socketpair");
    one = platform::unique_fd(ends[0]);
    other = platform::unique_fd(ends[1]);
  }
};

bool can_be_written(platform::unique_fd const& memory) {
  void* const at = ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
  if (at != MAP_FAILED) ::munmap(at, 4096);
  return at != MAP_FAILED;
}

// One end and its driver, which looks for a moment before every other sleep.
class driven {
 public:
  platform::epoll_poller poller;
  local_endpoint endpoint{poller};

  // Turns until `done`, which is asked about every event.
  void run(std::function<bool(event&)> const& done) {
    std::vector<event> events;
    for (bool looks = false;; looks = !looks) {
      endpoint.flush();
      if (looks && endpoint.watch()) {
        for (int i = 0; i < 1'000 && !endpoint.look(); ++i) {
        }
        endpoint.unwatch();
      }
      poller.wait(endpoint.arm(poller) ? 30'000'000'000 : 0);
      endpoint.receive(events, 100);
      for (auto& one : events)
        if (done(one)) return;
      events.clear();
    }
  }
};

// Answers every frame with the same one until the other end has gone.
void echo(driven& end) {
  end.run([&](event& one) {
    if (one.what == kind::received) end.endpoint.send(one.peer, one.message);
    return one.what == kind::lost;
  });
}

// Sends `count` frames, `window` of them at once, and gets each back; false: the other end has gone.
bool send_and_get_back(driven& end, peer_id to, std::uint64_t count, std::uint64_t window,
                       std::function<void(std::uint64_t)> const& at_each = {}) {
  std::uint64_t sent = 0, got = 0;
  auto const frame_of = [](std::uint64_t number) {
    auto const large = number % 31 == 7 ? std::vector<std::size_t>{100'000 + number % 7, 40'000, 100}
                                        : std::vector<std::size_t>{};
    return make_frame(number, number % 97 == 0 ? 70'000 : number % 300, large);
  };
  auto const send = [&] {
    for (; sent < count && sent < got + window; ++sent)
      if (end.endpoint.send(to, frame_of(sent)) != send_status::sent) return;
  };
  send();
  end.run([&](event& one) {
    if (one.what == kind::lost) return true;
    if (one.what == kind::connected) return false;
    REQUIRE(same(one.message, frame_of(got)));
    ++got;
    if (at_each) at_each(got);
    send();
    return got == count;
  });
  return got == count;
}

// A process that joins and answers.
struct echo_process {
  pid_t pid = -1;
  peer_id peer = 0;

  explicit echo_process(driven& parent) {
    socket_pair sockets;
    auto made = channel::make();
    pid = ::fork();
    REQUIRE(pid >= 0);
    if (pid == 0) {
      sockets.one.reset();
      driven end;
      end.endpoint.add(std::move(sockets.other), channel::join(std::move(made.theirs)));
      echo(end);
      ::_exit(0);
    }
    sockets.other.reset();
    peer = parent.endpoint.add(std::move(sockets.one), std::move(made.ours));
  }
  void kill() const { ::kill(pid, SIGKILL); }
  int wait() const {
    int status = 0;
    ::waitpid(pid, &status, 0);
    return status;
  }
};

// How much memory a memory takes.
std::size_t bytes_of(platform::unique_fd const& memory) {
  struct stat about {};
  REQUIRE(::fstat(memory.get(), &about) == 0);
  return static_cast<std::size_t>(about.st_blocks) * 512;
}

platform::unique_fd duplicate(platform::unique_fd const& of) { return platform::unique_fd(::dup(of.get())); }

// Two ends in one thread, and the arenas between.
struct joined_ends {
  world w;
  local_endpoint parent{w.poller}, child{w.poller};
  peer_id to_child = 0, to_parent = 0;
  platform::unique_fd down, up;

  joined_ends() {
    w.drive(parent);
    w.drive(child);
    socket_pair sockets;
    auto made = channel::make();
    REQUIRE(made.theirs.blocks_from_parent);
    down = duplicate(made.theirs.blocks_from_parent);
    up = duplicate(made.theirs.blocks_to_parent);
    to_child = parent.add(std::move(sockets.one), std::move(made.ours));
    to_parent = child.add(std::move(sockets.other), channel::join(std::move(made.theirs)));
    w.next(parent, kind::connected);
    w.next(child, kind::connected);
  }
};

// What the other side of a channel can write.
class scribbler {
 public:
  explicit scribbler(channel::descriptors const& theirs)
      : page_(map<channel_page>(theirs.to_parent, sizeof(channel_page))),
        blocks_(map<std::byte>(theirs.blocks_to_parent, transport::arena_size)) {
    platform::set_size(theirs.blocks_to_parent.get(), transport::arena_size);
  }
  ~scribbler() {
    ::munmap(page_, sizeof(channel_page));
    ::munmap(blocks_, transport::arena_size);
  }
  channel_page& page() { return *page_; }
  std::span<std::byte> blocks() { return {blocks_, transport::arena_size}; }

 private:
  template <class T>
  static T* map(platform::unique_fd const& memory, std::size_t size) {
    void* const at = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED, memory.get(), 0);
    REQUIRE(at != MAP_FAILED);
    return static_cast<T*>(at);
  }

  channel_page* page_;
  std::byte* blocks_;
};

// Frames with a block each, which lies there.
void name_blocks(channel_page& page, std::size_t count, std::size_t body, std::uint32_t first,
                 std::uint32_t size) {
  frame message = make_frame(1, body);
  message.buffers.resize(1);
  std::uint64_t const lent[]{transport::block_place{first, size}.number()};
  detail::byte_buffer bytes;
  for (std::size_t i = 0; i < count; ++i) {
    transport::append_stream_head(bytes, message, lent);
    bytes.append(message.body.data(), message.body.size());
  }
  REQUIRE(bytes.size() <= transport::ring_capacity);
  std::memcpy(page.ring, bytes.data(), bytes.size());
  page.words.written = static_cast<std::uint32_t>(bytes.size());
}

void name_block(channel_page& page, std::uint32_t first, std::uint32_t size) {
  name_blocks(page, 1, 10, first, size);
}

// As by `ulimit -v`, with a limit that is never reached.
struct limited_addresses {
  rlimit before{};
  limited_addresses() {
    REQUIRE(::getrlimit(RLIMIT_AS, &before) == 0);
    rlimit const finite{std::min(before.rlim_max, RLIM_INFINITY - 1), before.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_AS, &finite) == 0);
  }
  ~limited_addresses() { ::setrlimit(RLIMIT_AS, &before); }
};

std::size_t open_descriptors() {
  return static_cast<std::size_t>(std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

}  // namespace

TEST_CASE("each direction's memory can be written by its writer alone, and has one size for ever") {
  auto made = channel::make();
  CHECK_FALSE(can_be_written(made.theirs.from_parent));
  platform::unique_fd const up(::dup(made.theirs.to_parent.get()));
  auto const joined = channel::join(std::move(made.theirs));
  CHECK_FALSE(can_be_written(up));
  CHECK(::ftruncate(up.get(), 0) != 0);
  CHECK(::ftruncate(up.get(), 1 << 20) != 0);
  CHECK(made.ours->has_joined());
}

TEST_CASE("the parent's blocks can be written by it alone, and no arena can be cut") {
  joined_ends ends;
  CHECK_FALSE(can_be_written(ends.down));
  ends.w.send(ends.parent, ends.to_child, make_frame(1, 0, {40'000}));
  ends.w.send(ends.child, ends.to_parent, make_frame(2, 0, {40'000}));
  CHECK(same(ends.w.next(ends.child, kind::received).message, make_frame(1, 0, {40'000})));
  CHECK(same(ends.w.next(ends.parent, kind::received).message, make_frame(2, 0, {40'000})));
  for (auto const* const memory : {&ends.down, &ends.up}) {
    CHECK(::ftruncate(memory->get(), 0) != 0);
    CHECK(::ftruncate(memory->get(), 2 * transport::arena_size) != 0);
    CHECK(bytes_of(*memory) <= 40'960);
  }
}

TEST_CASE("the child has a large buffer where the parent has put it, and gives its memory back with it") {
  joined_ends ends;
  auto const sent = make_frame(1, 100, {1'000'000, 300, 40'000});
  ends.w.send(ends.parent, ends.to_child, sent);
  {
    auto const got = ends.w.next(ends.child, kind::received);
    CHECK(same(got.message, sent));
    CHECK(bytes_of(ends.down) >= 1'040'000);
    CHECK(bytes_of(ends.down) < 1'100'000);
    CHECK(reinterpret_cast<std::uintptr_t>(got.message.buffers[0].data) % transport::arena_page == 0);
    // Whoever looks at it keeps it where it is, whatever comes meanwhile.
    for (std::uint64_t i = 2; i < 5; ++i) {
      ends.w.send(ends.parent, ends.to_child, make_frame(i, 0, {500'000}));
      CHECK(same(ends.w.next(ends.child, kind::received).message, make_frame(i, 0, {500'000})));
    }
    CHECK(same(got.message, sent));
    CHECK(bytes_of(ends.down) < 1'600'000);  // the other ones had the same memory, one after the other
  }
  ends.w.run_until([&] { return bytes_of(ends.down) == 0; });
  ends.w.send(ends.parent, ends.to_child, sent);
  CHECK(same(ends.w.next(ends.child, kind::received).message, sent));
}

TEST_CASE("the parent has a copy of what the child sends, which the child cannot change") {
  joined_ends ends;
  auto const sent = make_frame(1, 100, {1'000'000, 40'000});
  REQUIRE(ends.child.send(ends.to_parent, sent) == send_status::sent);
  CHECK(bytes_of(ends.up) >= 1'040'000);
  auto const got = ends.w.next(ends.parent, kind::received);
  void* const at =
      ::mmap(nullptr, transport::arena_size, PROT_READ | PROT_WRITE, MAP_SHARED, ends.up.get(), 0);
  REQUIRE(at != MAP_FAILED);
  std::memset(at, 0xee, 1'000'000);
  ::munmap(at, transport::arena_size);
  CHECK(same(got.message, sent));
  ends.w.run_until([&] { return bytes_of(ends.up) == 0; });
}

TEST_CASE("what finds no room beside the rings goes through them, and the memory of a burst goes back") {
  joined_ends ends;
  std::size_t constexpr size = transport::arena_size / (YONDER_IS_SANITIZED ? 8 : 3);
  std::vector<event> held;
  for (std::uint64_t i = 0; i < 10; ++i) {
    ends.w.send(ends.parent, ends.to_child, make_frame(i, 0, {size}));
    held.push_back(ends.w.next(ends.child, kind::received));
  }
  for (std::uint64_t i = 0; i < 10; ++i) CHECK(same(held[i].message, make_frame(i, 0, {size})));
  CHECK(bytes_of(ends.down) >= 2 * size);
  held.clear();
  for (std::uint64_t i = 0; i < 300; ++i) {
    ends.w.send(ends.parent, ends.to_child, make_frame(i, 0, {32'768}));
    held.push_back(ends.w.next(ends.child, kind::received));
  }
  for (std::uint64_t i = 0; i < 300; ++i) CHECK(same(held[i].message, make_frame(i, 0, {32'768})));
  held.clear();
  ends.w.run_until([&] { return bytes_of(ends.down) == 0; });
}

TEST_CASE("a block outlives the connection that it came by") {
  joined_ends ends;
  auto const sent = make_frame(1, 100, {1'000'000});
  ends.w.send(ends.parent, ends.to_child, sent);
  auto got = ends.w.next(ends.child, kind::received);
  ends.child.close(ends.to_parent);
  CHECK(ends.w.next(ends.parent, kind::lost).reason.empty());
  CHECK(same(got.message, sent));
  got = {};
}

TEST_CASE("where there are no arenas, large buffers go through the rings") {
  world w;
  local_endpoint parent(w.poller), child(w.poller);
  w.drive(parent);
  w.drive(child);
  socket_pair sockets;
  auto made = channel::make();
  made.theirs.blocks_from_parent.reset();
  made.theirs.blocks_to_parent.reset();
  parent.add(std::move(sockets.one), std::move(made.ours));
  auto const to_parent = child.add(std::move(sockets.other), channel::join(std::move(made.theirs)));
  w.next(parent, kind::connected);
  w.next(child, kind::connected);
  w.send(child, to_parent, make_frame(1, 10, {1'000'000}));
  CHECK(same(w.next(parent, kind::received).message, make_frame(1, 10, {1'000'000})));
}

TEST_CASE("where addresses are limited, nobody has arenas") {
  limited_addresses const limit;
  CHECK_FALSE(channel::make().theirs.blocks_from_parent);
}

TEST_CASE("a child that can have no arenas joins without them") {
  for (bool const is_limited : {true, false}) {
    CAPTURE(is_limited);
    world w;
    local_endpoint parent(w.poller), child(w.poller);
    w.drive(parent);
    w.drive(child);
    socket_pair sockets;
    auto made = channel::make();
    auto const down = duplicate(made.theirs.blocks_from_parent);
    std::optional<limited_addresses> limit;
    if (is_limited)
      limit.emplace();
    else
      made.theirs.blocks_from_parent = platform::unique_fd(::open("/dev/null", O_RDONLY));  // is not mapped
    auto const to_child = parent.add(std::move(sockets.one), std::move(made.ours));
    auto const to_parent = child.add(std::move(sockets.other), channel::join(std::move(made.theirs)));
    w.next(parent, kind::connected);
    w.next(child, kind::connected);
    CHECK(parent.shares_memory(to_child));
    w.send(parent, to_child, make_frame(1, 10, {500'000}));
    CHECK(same(w.next(child, kind::received).message, make_frame(1, 10, {500'000})));
    w.send(child, to_parent, make_frame(2, 10, {500'000}));
    CHECK(same(w.next(parent, kind::received).message, make_frame(2, 10, {500'000})));
    CHECK(bytes_of(down) == 0);
  }
}

TEST_CASE("as many blocks as there can be are taken at once, and what follows them") {
  joined_ends ends;
  std::uint64_t const count = transport::block_table::most_blocks + 10;
  for (std::uint64_t i = 0; i < count; ++i)
    ends.w.send(ends.child, ends.to_parent, make_frame(i, 0, {40'000}));
  for (std::uint64_t i = 0; i < count; ++i)
    CHECK(same(ends.w.next(ends.parent, kind::received).message, make_frame(i, 0, {40'000})));
}

TEST_CASE(
    "what is named again and again in one read, or after its writer's end, is copied as often as fits") {
  struct names {
    std::size_t frames, body;
    std::uint32_t size;
    std::size_t taken;  // of the frames
  };
  constexpr std::uint32_t all = transport::arena_size;
  for (auto const& [frames, body, size, taken] :
       {names{4, 10, all / 2, 2}, names{2'000, 10, 4096, transport::block_table::most_blocks}}) {
    for (bool const has_ended : {false, true}) {
      CAPTURE(has_ended);
      driven parent;
      socket_pair sockets;
      auto made = channel::make();
      scribbler memory(made.theirs);
      auto const peer = parent.endpoint.add(std::move(sockets.one), std::move(made.ours));
      memory.page().mark = transport::channel_mark;
      // Of one that has ended several reads are made at once.
      name_blocks(memory.page(), frames, has_ended ? 800'000 / frames : body, 0, size);
      std::vector<event> events;
      if (has_ended)
        parent.endpoint.drain(peer, events);
      else
        parent.endpoint.receive(events, 100);
      REQUIRE(events.size() == 1 + taken + 1);
      CHECK(events.back().what == kind::lost);
      CHECK(events.back().reason.find("more of them than there is memory for") != std::string::npos);
    }
  }
}

// A fork of the child, as a task may make one.
TEST_CASE("a fork that drops a block leaves it to the process that has it") {
  joined_ends ends;
  auto const sent = make_frame(1, 100, {1'000'000});
  ends.w.send(ends.parent, ends.to_child, sent);
  auto got = ends.w.next(ends.child, kind::received);
  auto const fork = ::fork();
  REQUIRE(fork >= 0);
  if (fork == 0) {
    got = {};
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(fork, &status, 0);
  CHECK(status == 0);
  ends.w.send(ends.parent, ends.to_child, make_frame(2, 100, {1'000'000}));
  CHECK(same(ends.w.next(ends.child, kind::received).message, make_frame(2, 100, {1'000'000})));
  CHECK(same(got.message, sent));
}

TEST_CASE("where the other end does not join, the socket serves alone, also what was sent before") {
  world w;
  local_endpoint parent(w.poller), child(w.poller);
  w.drive(parent);
  w.drive(child);
  socket_pair sockets;
  auto const to_child = parent.add(std::move(sockets.one), channel::make().ours);
  auto const to_parent = child.add(std::move(sockets.other));
  w.next(parent, kind::connected);
  w.next(child, kind::connected);
  w.send(parent, to_child, make_frame(1, 100'000));
  w.send(child, to_parent, make_frame(2));
  CHECK(same(w.next(parent, kind::received).message, make_frame(2)));
  CHECK(same(w.next(child, kind::received).message, make_frame(1, 100'000)));
  CHECK_FALSE(parent.shares_memory(to_child));
  child.close(to_parent);
  w.next(parent, kind::lost);
}

TEST_CASE("of one that has gone all is taken that lies there, which several reads take") {
  enum class way { memory, put_down, socket };
  for (auto const by : {way::memory, way::put_down, way::socket}) {
    bool const with_memory = by != way::socket;
    CAPTURE(with_memory);
    driven parent, gone;
    socket_pair sockets;
    auto made = channel::make();
    auto const peer =
        parent.endpoint.add(std::move(sockets.one), with_memory ? std::move(made.ours) : nullptr);
    auto const to_parent = gone.endpoint.add(std::move(sockets.other),
                                             with_memory ? channel::join(std::move(made.theirs)) : nullptr);
    std::uint64_t const count = with_memory ? 45 : 8;  // that find room
    for (std::uint64_t i = 0; i < count; ++i)
      REQUIRE(gone.endpoint.send(to_parent, make_frame(i, 20'000)) == send_status::sent);
    if (by == way::put_down)
      gone.endpoint.put_down();
    else
      gone.endpoint.flush();
    std::vector<event> events;
    parent.endpoint.drain(peer, events);
    REQUIRE(events.size() == 1 + count);
    CHECK(events[0].what == kind::connected);
    for (std::uint64_t i = 0; i < count; ++i) CHECK(same(events[1 + i].message, make_frame(i, 20'000)));
  }
}

TEST_CASE("who looks sees what is written, whatever becomes of the peer meanwhile") {
  world w;
  local_endpoint parent(w.poller), child(w.poller);
  w.drive(parent);
  w.drive(child);
  socket_pair sockets;
  auto made = channel::make();
  auto const to_child = parent.add(std::move(sockets.one), std::move(made.ours));
  auto const to_parent = child.add(std::move(sockets.other), channel::join(std::move(made.theirs)));
  w.next(parent, kind::connected);
  w.next(child, kind::connected);

  REQUIRE(parent.watch());
  CHECK_FALSE(parent.look());
  child.send(to_parent, make_frame(1));
  child.flush();
  CHECK(parent.look());
  parent.close(to_child);
  CHECK(parent.look());
  parent.unwatch();
  CHECK_FALSE(parent.watch());  // nobody is there
}

TEST_CASE("nobody looks while something waits for room, or where no memory is shared") {
  world w;
  local_endpoint parent(w.poller);
  socket_pair plain, shared;
  auto const alone = parent.add(std::move(plain.one));
  CHECK_FALSE(parent.watch());
  auto made = channel::make();
  auto const to_child = parent.add(std::move(shared.one), std::move(made.ours));
  auto const child = channel::join(std::move(made.theirs));
  std::vector<event> events;
  parent.receive(events, 10);
  CHECK(parent.watch());
  parent.unwatch();
  parent.send(to_child, make_frame(1, 2 * transport::ring_capacity));
  parent.flush();
  CHECK_FALSE(parent.watch());
  parent.close(alone);
}

TEST_CASE("nonsense in the memory is the loss of its writer, in words") {
  auto const offset = [](std::uint32_t by) { return transport::ring_capacity + by; };
  for (auto const& spoil : std::vector<std::function<void(channel_page&)>>{
           [&](auto& page) { page.words.written = offset(1); },
           [&](auto& page) { page.words.written = 0xffffffff; },
           [&](auto& page) { page.words.taken = 1U << 31; }, [&](auto& page) { page.returned.count = 1; },
           [&](auto& page) { page.returned.count = 0xffffffff; },
           [&](auto& page) { name_block(page, 0, 4096); },  // in a memory that could still be cut
           [&](auto& page) { name_block(page, 0, transport::arena_size + 1); },
           [&](auto& page) { name_block(page, transport::arena_size / transport::arena_page, 1); },
           [&](auto& page) { page.ring[0] = std::byte{1}, page.words.written = 64; }}) {
    world w;
    local_endpoint parent(w.poller);
    w.drive(parent);
    socket_pair sockets;
    auto made = channel::make();
    void* const at = ::mmap(nullptr, sizeof(channel_page), PROT_READ | PROT_WRITE, MAP_SHARED,
                            made.theirs.to_parent.get(), 0);
    REQUIRE(at != MAP_FAILED);
    auto& page = *static_cast<channel_page*>(at);
    auto const peer = parent.add(std::move(sockets.one), std::move(made.ours));
    w.next(parent, kind::connected);
    page.mark = transport::channel_mark;
    REQUIRE(::ftruncate(made.theirs.blocks_to_parent.get(), transport::arena_size) == 0);
    spoil(page);
    platform::event_counter(std::move(made.theirs.wakes_parent)).add();
    w.run_until([&] {
      (void)parent.send(peer, make_frame(1, 200'000, {50'000}));
      parent.flush();
      return !w.events(parent).empty();
    });
    CHECK_FALSE(w.next(parent, kind::lost).reason.empty());
    ::munmap(at, sizeof(channel_page));
  }
}

TEST_CASE("a peer that writes anything anywhere while it answers breaks nothing but its own connection") {
  constexpr int rounds = YONDER_IS_SANITIZED ? 10 : 40;
  for (int round = 0; round < rounds; ++round) {
    CAPTURE(round);
    driven near, far;
    socket_pair sockets;
    auto made = channel::make();
    scribbler memory(made.theirs);
    auto const peer = near.endpoint.add(std::move(sockets.one), std::move(made.ours));
    far.endpoint.add(std::move(sockets.other), channel::join(std::move(made.theirs)));
    std::atomic<bool> stop{false};
    std::thread honest([&] { echo(far); });
    std::thread hostile([&] {
      std::mt19937 random(static_cast<unsigned>(round));
      while (!stop) {
        auto& page = memory.page();
        switch (random() % 5) {
          case 0: page.ring[random() % 4096] = static_cast<std::byte>(random()); break;
          case 1: memory.blocks()[random() % 200'000] = static_cast<std::byte>(random()); break;
          case 2: page.returned.pages[random() % 4] = static_cast<std::uint32_t>(random() % 64); break;
          case 3:
            if (random() % 64 == 0) page.returned.count = static_cast<std::uint32_t>(random() % 8);
            break;
          default:
            if (random() % 256 == 0) page.words.taken = static_cast<std::uint32_t>(random() % 100'000);
        }
      }
    });
    std::uint64_t sent = 0, got = 0;
    std::vector<event> events;
    bool lost = false;
    for (int turn = 0; turn < 2'000 && !lost; ++turn) {
      for (; sent < got + 4; ++sent)
        if (near.endpoint.send(peer, make_frame(sent, sent % 200, {40'000})) != send_status::sent) break;
      near.endpoint.flush();
      near.poller.wait(near.endpoint.arm(near.poller) ? 1'000'000 : 0);
      near.endpoint.receive(events, 100);
      for (auto const& one : events) {
        lost = lost || one.what == kind::lost;
        if (one.what == kind::received) ++got;
      }
      events.clear();
    }
    stop = true;
    hostile.join();
    near.endpoint.close(peer);
    honest.join();
  }
}

TEST_CASE("two threads that sleep miss no frame and no end, whatever signals come") {
  driven near, far;
  socket_pair sockets;
  auto made = channel::make();
  auto const peer = near.endpoint.add(std::move(sockets.one), std::move(made.ours));
  far.endpoint.add(std::move(sockets.other), channel::join(std::move(made.theirs)));
  std::thread other([&] { echo(far); });
  {
    signal_storm const storm(other.native_handle());
    constexpr std::uint64_t count = YONDER_IS_SANITIZED ? 2'000 : 10'000;
    CHECK(send_and_get_back(near, peer, count, 1));
    CHECK(send_and_get_back(near, peer, count, 64));
  }
  near.endpoint.close(peer);
  other.join();
}

TEST_CASE("a process that is killed at any moment is lost, and leaves nothing behind") {
  if (YONDER_IS_SANITIZED) return;  // whose run-time does not fork with threads
  driven parent;
  std::size_t before = 0;  // with the clock that the first large buffer has made
  constexpr std::uint64_t rounds = 150;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    CAPTURE(round);
    echo_process const child(parent);
    auto const last = round * 7 % 400;
    bool const all = send_and_get_back(parent, child.peer, 100'000, 1 + round % 40, [&](std::uint64_t got) {
      if (got == last + 1) child.kill();
    });
    CHECK_FALSE(all);
    CHECK(parent.endpoint.send(child.peer, make_frame(1)) == send_status::gone);
    CHECK(WTERMSIG(child.wait()) == SIGKILL);
    if (round == 1) before = open_descriptors();
  }
  CHECK(open_descriptors() == before);
}

TEST_CASE("when the parent is killed, its workers notice, wherever they are") {
  if (YONDER_IS_SANITIZED) return;
  for (std::uint64_t round = 0; round < 50; ++round) {
    CAPTURE(round);
    int ends[2];
    REQUIRE(::pipe2(ends, O_CLOEXEC) == 0);
    platform::unique_fd const readable(ends[0]);
    platform::unique_fd writable(ends[1]);
    auto const parent = ::fork();
    if (parent == 0) {  // its child holds the pipe until it ends
      driven end;
      echo_process const child(end);
      writable.reset();
      send_and_get_back(end, child.peer, 1'000'000, 1 + round % 8, [&](std::uint64_t got) {
        if (got == 1 + round * 5) ::kill(::getpid(), SIGKILL);
      });
      ::_exit(1);
    }
    writable.reset();
    std::byte none{};
    CHECK(::read(readable.get(), &none, 1) == 0);
    int status = 0;
    ::waitpid(parent, &status, 0);
    CHECK(WTERMSIG(status) == SIGKILL);
  }
}

}  // namespace yonder::testing
