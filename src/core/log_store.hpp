// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/frame.hpp"

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace yonder::core {

// Identities that no credential has: of a call whose caller may come yet, and of one whose caller does not.
inline constexpr std::string_view of_nobody_yet{"\0yet", 4};
inline constexpr std::string_view of_nobody{"\0", 1};

// What calls printed, the latest of it: past so many bytes of one call, or of all, the oldest goes.
class log_store {
 public:
  static constexpr std::size_t most_scanned = 4096;  // entries, by one read of all

  // Bytes, of a call's text, and of everything with what keeping it takes. Numbers are given behind `first`.
  log_store(std::size_t most_of_call, std::size_t most, std::uint64_t first = 0) noexcept
      : most_of_call_(most_of_call), most_(most), first_(first), last_(first) {}

  struct entry {
    std::vector<call_id> calls;  // that it is of, with consecutive numbers; none: it is the worker's own
    std::string identity;        // of these calls
    std::string worker;
    std::string text;
    std::uint64_t at = 0;  // how much the first of the calls had printed before, of a worker's own: 0
  };

  // `skipped`: so many bytes before the text were lost already.
  void add(entry said, std::uint64_t skipped);

  // Calls `visit(number, entry, at)` for what came behind number `after`, in order, as long as it returns
  // true; the numbers rise. `at`: of that call. False: no call of this id has printed.
  using visitor = std::function<bool(std::uint64_t, entry const&, std::uint64_t)>;
  bool read(call_id call, std::uint64_t after, visitor const& visit) const;
  // Of all calls, and of workers. Returns up to which number it has looked, which need not be the last one:
  // see most_scanned.
  std::uint64_t read_all(std::uint64_t after, visitor const& visit) const;

  // Whose that call is; null: it has printed nothing.
  std::string const* owner(call_id call) const;
  // What it has printed is that one's from now on.
  void give(call_id call, std::string_view identity);
  // The number before that of the first entry, and that of the last one.
  std::uint64_t first() const noexcept { return first_; }
  std::uint64_t last() const noexcept { return last_; }
  std::size_t bytes() const noexcept { return bytes_; }
  bool empty() const noexcept { return entries_.empty(); }

 private:
  struct placed {
    std::uint64_t number;
    std::uint64_t at;
  };
  struct call_log {
    std::string identity;
    std::deque<placed> places;
    std::size_t kept = 0;       // bytes of text
    std::uint64_t printed = 0;  // bytes, with those that were lost
  };

  static std::size_t cost_of(entry const& one) noexcept;
  void drop(std::uint64_t number);

  std::size_t most_of_call_;
  std::size_t most_;
  std::map<std::uint64_t, entry> entries_;
  std::map<call_id, call_log> calls_;
  std::size_t bytes_ = 0;
  std::uint64_t first_;
  std::uint64_t last_;
};

}  // namespace yonder::core
