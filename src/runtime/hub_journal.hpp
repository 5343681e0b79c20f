// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "src/core/hub.hpp"
#include "src/journal/journal.hpp"
#include "src/platform/clock_watch.hpp"
#include "src/platform/poller.hpp"
#include "src/runtime/journal_reader.hpp"

namespace yonder::detail {

// The journal of an engine's hub: what that says is written, and what it has to hear of it. Under the
// engine's lock; it never waits for the disk, but while it is made and destroyed.
class hub_journal final : platform::ready_handler {
 public:
  // Tells the hub what the folder holds. `how` but for its schema; the hub itself forgets outcomes that are
  // older than its result_ttl. Throws journal::error.
  hub_journal(platform::poller& poller, journal::options how, core::hub& hub, core::time_point now);
  ~hub_journal();
  hub_journal(hub_journal const&) = delete;
  hub_journal& operator=(hub_journal const&) = delete;

  void append(core::out::append const& record);
  void read(core::out::read const& what) { reader_->ask(what); }
  // Sends what was appended on its way, and tells the hub whether it may take more.
  void flush(core::hub& hub);
  // Tells the hub what has got to the disk meanwhile, what was read there, and what time it is.
  void take(core::hub& hub, core::time_point now, core::outputs& out);
  // What was found there that somebody might want to know.
  std::vector<std::string> const& notes() const noexcept { return log_->notes(); }

 private:
  static constexpr std::uint64_t log_token = 0, reader_token = 1, clock_token = 2;
  void take_reads(core::hub& hub, core::time_point now, core::outputs& out);
  void on_ready(std::uint64_t token, bool, bool) override;

  void tell_time(core::hub& hub, core::time_point now) const;

  platform::poller& poller_;
  platform::clock_watch clock_watch_;
  std::unique_ptr<journal::log> log_;
  std::unique_ptr<journal_reader> reader_;
  bool appended_ = false;
  bool rang_ = false;
  bool has_read_ = false;
  bool failed_ = false;
  journal::admission admits_ = journal::admission::taken;
};

}  // namespace yonder::detail
