// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/platform/unique_fd.hpp"
#include "transports/local/channel.hpp"
#include "transports/local/send_queue.hpp"
#include "transports/local/stream_cipher.hpp"
#include "transports/local/stream_parser.hpp"
#include "transports/transport.hpp"
#include "yonder/detail/export.hpp"

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace yonder::transport {

// Frames over stream sockets: inherited socketpairs (AF_UNIX), which have no name in the file system, so that
// nobody else can connect, and connections that others have made by an address, sealed or not. What send()
// collects leaves in one system call at flush(); large bodies and buffers leave at once and, where they are
// not sealed, straight from the caller's memory; unsent buffers stay referenced.
//
// Where the two ends share memory, too, the frames travel by that, and the socket only tells of the other's
// end. Large buffers are then written once, beside the frame that names them. Memory that they no longer take
// goes back to the system within a second, of which a clock in the poller reminds.
//
// Where memory runs out, add() and send() throw and leave no trace, and receive() throws and goes on where it
// was when it is called again, with the events that it was given. Only a peer whose unsent bytes could not be
// copied in time is lost.
class YONDER_API local_endpoint final : public endpoint {
 public:
  explicit local_endpoint(poller& ready, limits const& bounds = {});
  ~local_endpoint() override;
  local_endpoint(local_endpoint const&) = delete;
  local_endpoint& operator=(local_endpoint const&) = delete;

  // Takes over one end of a socketpair, marks it close-on-exec and blocking (only wait() blocks: all else
  // says MSG_DONTWAIT). Its first event is `connected`.
  peer_id add(platform::unique_fd socket) { return add(std::move(socket), nullptr); }

  // With memory, or null. Where the other end does not join it, the socket serves alone.
  peer_id add(platform::unique_fd socket, std::unique_ptr<channel> memory);

  // A connection that was made by an address. No fork of this process keeps it, and what the other end has
  // sent too late does not cost it our last words. `cipher`: seals what travels; null: nothing does.
  peer_id add_connection(platform::unique_fd socket, std::unique_ptr<stream_cipher> cipher);

  void on_ready(std::uint64_t token, bool readable, bool writable) override;
  void receive(std::vector<event>& events, std::size_t most) override;
  bool poll_once() override;
  bool arm(doorbell&) override;
  bool can_wait() const noexcept override;
  bool wait(std::int64_t timeout_ns) override;
  bool watch() override;
  void unwatch() noexcept override { watched_.clear(); }
  bool look() const noexcept override;
  send_status send(peer_id to, frame const& message) override;
  void flush() override;
  void put_down() override;
  void detach() override;
  void close(peer_id gone) override;
  bool reliable() const override { return true; }

  // Whether there is this peer: it was added, and is neither lost nor closed.
  bool knows(peer_id one) noexcept { return find(one) != nullptr; }

  // Whether something was found that receive() has not taken yet.
  bool pending() const noexcept { return !added_.empty() || !readable_.empty() || found_ != 0; }

  // Whether the frames of this peer travel by memory.
  bool shares_memory(peer_id with) noexcept;

  // Takes what lies there of a peer whose process is no more: as much as there is now. Whoever has inherited
  // its connection may go on to write.
  void drain(peer_id of, std::vector<event>& events);

 private:
  // What one read brought: bytes to the parser's own block, bytes to scratch_, or the end.
  struct taken {
    std::size_t total = 0;
    std::size_t parsed = 0;         // of scratch_
    std::size_t in_scratch = 0;     // up to here
    std::size_t opened_parsed = 0;  // of opened_
    std::size_t in_opened = 0;      // up to here
    bool more = false;              // the read filled all the room it had
    bool nothing = false;           // there was nothing to read
    bool ended = false;
    int error = 0;
  };

  struct peer {
    peer(peer_id number, platform::unique_fd connection, std::shared_ptr<channel> shared,
         std::unique_ptr<stream_cipher> seals, limits const& bounds)
        : id(number),
          socket(std::move(connection)),
          memory(std::move(shared)),
          cipher(std::move(seals)),
          parser(bounds, memory.get()) {}
    std::size_t waiting() const noexcept { return unsent.size() + sealed.size() - sealed_sent; }

    peer_id id;
    platform::unique_fd socket;
    std::shared_ptr<channel> memory;        // null: the socket serves alone
    std::unique_ptr<stream_cipher> cipher;  // null: bytes travel as they are
    stream_parser parser;
    send_queue unsent;
    byte_buffer sealed;  // and not sent yet, before `unsent`
    std::size_t sealed_sent = 0;
    std::optional<taken> found;       // and not delivered yet: it is found_
    bool readable = false;            // listed in readable_
    bool collected = false;           // listed in collected_
    bool blocked = false;             // the poller, or the other side, tells when it can be written
    bool deaf = false;                // nothing can be sent any more
    int send_error = 0;               // why, where it was a failure
    std::int64_t wait_limit_ms = -1;  // of a read that sleeps; -1: none was set
    bool ended = false;               // the other side of a memory has gone
    bool awake = false;               // listed in awake_
    bool by_address = false;          // of add_connection()
  };

  static constexpr peer_id nobody = 0;  // in a list: was served, or is no more

  peer& enter(platform::unique_fd socket, std::unique_ptr<channel> memory,
              std::unique_ptr<stream_cipher> cipher);
  void make_room_in_lists();
  // A memory, and how much of it was taken. It stays mapped, whatever becomes of the peer meanwhile.
  struct watched {
    std::shared_ptr<channel const> memory;
    std::uint32_t taken;
  };

  peer* find(peer_id id) noexcept;
  void erase(peer_id id) noexcept;
  void mark_readable(peer& from) noexcept;
  taken take(peer& from, int flags);
  void hold(peer& from, taken const& bytes) noexcept;
  bool find_bytes(peer& from, int flags);
  void tell_added(std::vector<event>& events);
  void deliver_found(std::vector<event>& events);
  bool deliver(peer& from, std::vector<event>& events);
  template <class Room, class Serve>
  void serve(std::vector<peer_id>& listed, Room has_room, Serve one);
  bool receive_from(peer& from, std::vector<event>& events);
  void lose(peer& gone, std::string reason, std::vector<event>& events);
  bool over_limit(peer const& to, std::size_t size) const;
  void write(peer& to);
  void block(peer& to, bool on);
  void go_deaf(peer& to, int error = 0);
  void set_wait_limit(peer& from, std::int64_t timeout_ns);
  void hear_bell(peer& from) noexcept;
  void look_at_socket(peer& from);
  void wake_up(peer& sleeper) noexcept;
  void collect(peer& to) noexcept;
  void forget_memory(peer& of) noexcept;
  void parse(peer& from, taken& bytes, std::vector<event>& events);
  void open_and_parse(peer& from, taken& bytes, std::vector<event>& events);
  void parse(peer& from, std::byte const* bytes, std::size_t& parsed, std::size_t end,
             std::vector<event>& events);
  bool seal_some(peer& to) noexcept;
  void write_sealed(peer& to);
  taken take_from_memory(peer& from);
  void write_to_memory(peer& to);
  void fill_memory(peer& to);
  void lend_buffers(peer& to, frame const& message);
  void take_back_buffers(peer& from) noexcept;
  bool start_clock() noexcept;
  void settle_memories();

  poller& poller_;
  limits bounds_;
  std::vector<std::unique_ptr<peer>> peers_;  // by the low half of their id
  std::vector<std::uint32_t> free_slots_;
  std::uint32_t drawn_ = 0;
  peer_id found_ = nobody;  // the peer of which something was read and not delivered: it lies in scratch_
  // Each has room for all peers, so that nobody is forgotten for want of memory.
  std::vector<peer_id> added_;      // and not told yet
  std::vector<peer_id> readable_;   // peers with unread bytes, or their end
  std::vector<peer_id> collected_;  // peers to write to at flush()
  std::vector<peer_id> awake_;      // those that do not know us asleep: their memories are to be looked at
  std::vector<watched> watched_;    // between watch() and unwatch(): of the thread that receives
  std::unique_ptr<std::byte[]> scratch_;
  std::unique_ptr<std::byte[]> opened_;  // of what lies in scratch_; none until there was a cipher
  std::vector<std::uint64_t> lent_;      // of the frame that is being sent, by its buffers; 0: not lent
  platform::unique_fd clock_;            // none until a block was
  bool ticks_ = false;
};

}  // namespace yonder::transport
