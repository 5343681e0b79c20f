// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "src/core/hub.hpp"
#include "src/journal/journal.hpp"
#include "src/platform/event_counter.hpp"

namespace yonder::detail {

core::out::append::kind appended_kind(journal::kind what);

// Finds records of a journal for whoever must not wait for the disk, in a thread of its own, which begins
// with the first that is asked for. Its user is one thread at a time.
class journal_reader {
 public:
  struct answer {
    std::uint64_t number = 0;
    std::optional<core::recovered_record> record{};
    std::string why{};  // it cannot be read; empty: where there is none, there is none
  };

  explicit journal_reader(journal::log const& log) : log_(log) {}
  // Waits for the one that is being read, and forgets the others.
  ~journal_reader();
  journal_reader(journal_reader const&) = delete;
  journal_reader& operator=(journal_reader const&) = delete;

  // Throws std::bad_alloc; std::system_error: there is no thread.
  void ask(core::out::read const& what);
  // In the order in which they were asked for. Quiets descriptor().
  std::vector<answer> take();
  // Readable when there are answers.
  int descriptor() const noexcept { return told_.descriptor(); }

 private:
  void run();
  answer find(core::out::read const& what) const noexcept;

  journal::log const& log_;
  platform::event_counter told_;

  std::mutex mutex_;  // of all below
  std::condition_variable wake_;
  std::deque<core::out::read> asked_;
  std::vector<answer> answers_;
  bool ending_ = false;
  std::thread thread_;
};

}  // namespace yonder::detail
