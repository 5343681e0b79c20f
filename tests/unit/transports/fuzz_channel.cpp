// SPDX-License-Identifier: Apache-2.0
//
// libFuzzer: whatever the other side of a shared memory writes into it, at any time, an endpoint ends in
// frames or in a loss.
#include <sys/mman.h>
#include <sys/socket.h>

#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "src/platform/epoll_poller.hpp"
#include "src/platform/process.hpp"
#include "transports/local/local_endpoint.hpp"

namespace {

using namespace yonder;
using transport::channel_page;

constexpr transport::limits bounds{{1 << 20, 64}, 1 << 20};

void require(bool holds) {
  if (!holds) std::abort();
}

// An endpoint, and the memory that its other side writes.
struct victim {
  platform::epoll_poller poller;
  transport::local_endpoint endpoint{poller, bounds};
  transport::peer_id peer = 0;
  platform::unique_fd socket;
  std::optional<platform::event_counter> bell;
  channel_page* page = nullptr;
  std::uint32_t written = 0;

  victim() {
    int ends[2];
    require(::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) == 0);
    socket = platform::unique_fd(ends[1]);
    auto made = transport::channel::make();
    peer = endpoint.add(platform::unique_fd(ends[0]), std::move(made.ours));
    page = static_cast<channel_page*>(::mmap(nullptr, sizeof(channel_page), PROT_READ | PROT_WRITE,
                                             MAP_SHARED, made.theirs.to_parent.get(), 0));
    require(page != MAP_FAILED);
    bell.emplace(std::move(made.theirs.wakes_parent));
    platform::set_size(made.theirs.blocks_to_parent.get(), transport::arena_size);
    page->mark.store(transport::channel_mark);
    wake();
  }
  ~victim() { ::munmap(page, sizeof *page); }

  void wake() { bell->add(); }

  void turn() {
    poller.wait(0);
    std::vector<transport::event> events;
    endpoint.receive(events, 100);
    for (auto const& one : events)
      if (one.what == transport::event::kind::received) {
        require(core::within(bounds, one.message));
        require(one.message.head.metadata_size <= one.message.body.size());
      }
    (void)endpoint.arm(poller);
  }

  void answer(std::size_t size) {
    transport::frame message;
    message.head.type = core::frame_type::call;
    message.body = core::byte_buffer::copy_of(std::vector<std::byte>(size));
    if (size % 2 != 0) message.buffers.push_back(detail::owned_copy(std::vector<std::byte>(size)));
    (void)endpoint.send(peer, message);
    endpoint.flush();
  }

  // Bytes that are said to be there.
  void write(std::span<std::byte const> bytes) {
    for (std::size_t i = 0; i < bytes.size(); ++i)
      page->ring[(written + i) % transport::ring_capacity] = bytes[i];
    page->words.written.store(written += static_cast<std::uint32_t>(bytes.size()));
  }

  // A frame that names blocks.
  void name(std::uint32_t first, std::uint32_t second) {
    transport::frame message;
    message.head.type = core::frame_type::result;
    message.buffers.resize(2);
    std::uint64_t const lent[]{transport::block_place{first >> 16, first & 0xffff}.number(),
                               transport::block_place{second >> 16, second & 0xffff}.number()};
    detail::byte_buffer head;
    transport::append_stream_head(head, message, lent);
    write(head);
  }
};

std::uint32_t number(std::span<std::uint8_t const>& from) {
  std::uint32_t value = 0;
  auto const size = std::min<std::size_t>(from.size(), sizeof value);
  std::memcpy(&value, from.data(), size);
  from = from.subspan(size);
  return value;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(std::uint8_t const* data, std::size_t size) {
  victim target;
  std::span rest(data, size);
  while (!rest.empty()) {
    auto const what = rest.front();
    rest = rest.subspan(1);
    auto& words = target.page->words;
    switch (what % 12) {
      case 0: words.written.store(number(rest)); break;
      case 1: words.taken.store(number(rest)); break;
      case 2: words.sleep.store(number(rest)); break;
      case 3: words.wants_room.store(number(rest)); break;
      case 4: target.answer(number(rest) % 200'000); break;
      case 5: target.wake(); break;
      case 6: target.turn(); break;
      case 7: target.page->returned.count.store(number(rest)); break;
      case 8: target.page->returned.pages[what / 12U].store(number(rest) % 64); break;
      case 9: {
        auto const first = number(rest);
        target.name(first, number(rest));
        break;
      }
      default: {
        auto const count = std::min<std::size_t>(rest.size(), what / 12 * 12U);
        target.write(std::as_bytes(rest.first(count)));
        rest = rest.subspan(count);
      }
    }
  }
  target.turn();
  target.turn();
  return 0;
}
