// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/hub_journal.hpp"

#include <algorithm>
#include <chrono>
#include <span>
#include <utility>

#include "src/core/journal_record.hpp"

namespace yonder::detail {
namespace {

using bytes_view = std::span<std::byte const>;
using appended = core::out::append::kind;

journal::kind journal_kind(appended what) {
  switch (what) {
    case appended::call: return journal::kind::call;
    case appended::started: return journal::kind::started;
    case appended::ended: return journal::kind::ended;
    case appended::forgotten: break;
  }
  return journal::kind::forgotten;
}

std::int64_t wall_clock() {
  using namespace std::chrono;
  return duration_cast<milliseconds>(system_clock::now().time_since_epoch()).count();
}

std::string why_refused(journal::admission admits) {
  switch (admits) {
    case journal::admission::over_limit:
      return "the journal has reached its limit (max_journal_bytes); get() what has ended";
    case journal::admission::behind: return "the disk is slower than the calls come; try again";
    default: return {};
  }
}

}  // namespace

hub_journal::hub_journal(platform::poller& poller, journal::options how, core::hub& hub, core::time_point now)
    : poller_(poller) {
  auto const wall = wall_clock();
  auto const recall = [&](journal::record const& what, bytes_view body) {
    core::recovered_record said;
    said.what = appended_kind(what.what);
    said.call = what.call;
    said.items = what.items;
    said.age =
        std::clamp<std::int64_t>(wall - what.time, 0, core::never / core::millisecond) * core::millisecond;
    if (!core::decode_record(body, said, what.schema) || !hub.recall(now, std::move(said)))
      throw journal::error(journal::problem::damaged,
                           "record " + std::to_string(what.number) + " of the journal in " + how.folder +
                               " is whole, and says nothing that this version understands; open it with the "
                               "one that wrote it");
  };
  how.result_ttl += std::chrono::hours(1);  // the hub says itself what it forgets, before that
  how.schema = core::journal_schema;
  log_ = std::make_unique<journal::log>(how, recall);
  reader_ = std::make_unique<journal_reader>(*log_);
  poller_.add(log_->descriptor(), *this, log_token);
  poller_.add(reader_->descriptor(), *this, reader_token);
  poller_.add(clock_watch_.descriptor(), *this, clock_token);
  tell_time(hub, now);
}

hub_journal::~hub_journal() {
  poller_.remove(log_->descriptor());
  poller_.remove(reader_->descriptor());
  poller_.remove(clock_watch_.descriptor());
}

void hub_journal::on_ready(std::uint64_t token, bool, bool) {
  switch (token) {
    case log_token: rang_ = true; return;
    case reader_token: has_read_ = true; return;
    default: clock_watch_.clear();
  }
}

void hub_journal::tell_time(core::hub& hub, core::time_point now) const {
  using namespace std::chrono;
  hub.set_clock(now, duration_cast<nanoseconds>(system_clock::now().time_since_epoch()).count());
}

void hub_journal::append(core::out::append const& record) {
  if (failed_) return;
  auto const head = core::encode_record(record);
  std::vector<bytes_view> pieces;
  if (!head.empty()) pieces.push_back(std::as_bytes(std::span(head)));
  if (record.body) {
    pieces.push_back(record.body->body.bytes());
    for (auto const& block : record.body->buffers) pieces.push_back(block.bytes());
  }
  log_->append(journal_kind(record.what), record.call, record.items, pieces, record.with_next);
  appended_ = true;
}

void hub_journal::flush(core::hub& hub) {
  if (!std::exchange(appended_, false)) return;
  log_->flush();
  auto const admits = log_->admit(0);
  if (std::exchange(admits_, admits) != admits) hub.refuse_durable(why_refused(admits));
}

void hub_journal::take_reads(core::hub& hub, core::time_point now, core::outputs& out) {
  if (!std::exchange(has_read_, false)) return;
  for (auto& one : reader_->take()) hub.read_back(now, one.number, std::move(one.record), one.why, out);
}

void hub_journal::take(core::hub& hub, core::time_point now, core::outputs& out) {
  tell_time(hub, now);
  take_reads(hub, now, out);
  if (!std::exchange(rang_, false)) return;
  hub.synced(now, log_->synced(), out);
  if (admits_ != journal::admission::taken) {
    admits_ = log_->admit(0);
    hub.refuse_durable(why_refused(admits_));
  }
  auto const fault = log_->failure();
  if (!fault || std::exchange(failed_, true)) return;
  hub.journal_failed(now, fault->what(), out);
}

}  // namespace yonder::detail
