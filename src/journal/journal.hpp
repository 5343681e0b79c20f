// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "src/core/frame.hpp"
#include "src/journal/error.hpp"
#include "src/journal/format.hpp"
#include "src/journal/ledger.hpp"
#include "src/journal/store.hpp"
#include "yonder/detail/export.hpp"

// The journal of durable calls: an append-only log in a folder of its own (docs/journal.md).
namespace yonder::journal {

struct options {
  std::string folder{};                    // made (0700) if it is absent
  std::uint64_t segment_bytes = 64 << 20;  // of a file
  std::uint64_t size_limit = 0;  // bytes of calls and outcomes that count; files take twice that and two
                                 // segments at most. 0: as much as the disk has
  std::uint64_t queue_limit = 256 << 20;  // bytes that were appended and are not on disk yet
  std::chrono::milliseconds result_ttl = std::chrono::hours(24);  // from a call's end until it is forgotten
  std::uint16_t schema =
      1;  // of bodies, as their owner counts: newer ones are refused, older ones come with theirs
};

// May another call be appended? What calls that were taken bring (started, ended, forgotten) always may.
enum class admission : std::uint8_t {
  taken,
  over_limit,  // options::size_limit: get() what has ended, or raise it
  behind,      // options::queue_limit: the disk is slower than the callers
  too_large,   // a body of more than largest_body bytes
  failed,      // failure() says why
};

// A journal that this process has open. append(), flush(), synced(), admit(), expired() and failure() are for
// one thread at a time and never wait for the disk; read() and figures() are for any.
class YONDER_API log {
 public:
  // Makes the journal, or recovers it: `visit` is told of every record that still counts, in the order in
  // which they were first appended. A call's `call` comes before whatever else there is of it, and is not
  // there once all of its items have ended; a pack some of whose items are forgotten comes with records that
  // say so. Records may speak of calls that no record brought: those are gone. Throws error: nothing was
  // changed then.
  log(options how, record_visitor const& visit);
  // What was appended is written and synced first, where the disk takes it.
  ~log();
  log(log const&) = delete;
  log& operator=(log const&) = delete;

  // One record behind those before, of the calls from `call` on, `items` of them; `pieces` are its body, one
  // behind the other, which is copied. Returns its number: how many this object has been given. Leaves in
  // flush(), if not before. `with_next`: it counts if the record behind it does, or else neither, and leaves
  // with that. Preconditions: their sizes together are at most largest_body; none of the calls was forgotten.
  std::uint64_t append(kind what, core::call_id const& call, std::uint32_t items,
                       std::span<std::span<std::byte const> const> pieces, bool with_next = false);
  void flush();
  // Every append up to this number is on disk. Quiets descriptor().
  std::uint64_t synced();
  // Readable when synced() has risen, or failure() is there.
  int descriptor() const noexcept;
  // The disk has refused: nothing is synced from then on; what was, stays.
  std::optional<error> failure() const;
  admission admit(std::uint64_t body_bytes) const;

  // The record of that call: its outcome where it has ended, else the whole pack that it came with. None: no
  // such call is on disk (yet), or it is forgotten. Blocks on the disk. Throws error.
  std::optional<stored> read(core::call_id const& call) const;
  // Calls whose outcome is older than result_ttl: they count no more, and nothing is to be appended for them.
  std::vector<ledger::calls> expired();

  store::figures_type figures() const;
  // What recovery found that somebody might want to know, a line each.
  std::vector<std::string> const& notes() const noexcept;

 private:
  class implementation;
  std::unique_ptr<implementation> const self_;
};

}  // namespace yonder::journal
