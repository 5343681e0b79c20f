// SPDX-License-Identifier: Apache-2.0
#include "src/runtime/journal_reader.hpp"

#include <exception>
#include <utility>

#include "src/core/journal_record.hpp"
#include "src/platform/thread.hpp"

namespace yonder::detail {

core::out::append::kind appended_kind(journal::kind what) {
  switch (what) {
    case journal::kind::call: return core::out::append::kind::call;
    case journal::kind::started: return core::out::append::kind::started;
    case journal::kind::ended: return core::out::append::kind::ended;
    case journal::kind::forgotten: break;
  }
  return core::out::append::kind::forgotten;
}

journal_reader::~journal_reader() {
  {
    std::lock_guard const lock(mutex_);
    ending_ = true;
  }
  wake_.notify_one();
  if (thread_.joinable()) thread_.join();
}

void journal_reader::ask(core::out::read const& what) {
  std::lock_guard const lock(mutex_);
  asked_.push_back(what);
  if (!thread_.joinable()) thread_ = platform::start_thread("yonder reader", [this] { run(); });
  wake_.notify_one();
}

std::vector<journal_reader::answer> journal_reader::take() {
  told_.clear();
  std::lock_guard const lock(mutex_);
  return std::exchange(answers_, {});
}

void journal_reader::run() {
  std::unique_lock lock(mutex_);
  for (;;) {
    wake_.wait(lock, [this] { return ending_ || !asked_.empty(); });
    if (ending_) return;
    auto const what = asked_.front();
    asked_.pop_front();
    lock.unlock();
    auto found = find(what);
    lock.lock();
    answers_.push_back(std::move(found));
    told_.add();
  }
}

journal_reader::answer journal_reader::find(core::out::read const& what) const noexcept {
  answer found{what.number};
  try {
    auto const stored = log_.read(what.call);
    if (!stored) return found;
    core::recovered_record said;
    said.what = appended_kind(stored->what.what);
    said.call = stored->what.call;
    said.items = stored->what.items;
    if (core::decode_record(stored->body(), said, stored->what.schema))
      found.record = std::move(said);
    else
      found.why = "it says nothing that this version understands";
  } catch (std::exception const& failure) {
    found.record.reset();
    try {
      found.why = failure.what();
    } catch (std::exception const&) {
      found.why = "no memory";  // short enough to need none
    }
  }
  return found;
}

}  // namespace yonder::detail
