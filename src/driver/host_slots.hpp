// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <limits>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace yonder::driver {

// Which of several machines a worker is started on: the one with the most room of those that did not fail
// lately.
class host_slots {
 public:
  struct host {
    std::string name;
    std::size_t slots = 1;
    std::vector<std::string> gpus{};
  };
  struct place {
    std::size_t host = 0;
    std::vector<std::string> gpus{};  // that are its own
  };

  explicit host_slots(std::vector<host> hosts);

  static constexpr std::int64_t never = std::numeric_limits<std::int64_t>::max();

  // Taken for `start` until give_back(). Nothing: why() says why.
  std::optional<place> take(std::int64_t now, std::uint64_t start, std::size_t gpus);
  // `waits`: it is tried again, which is said of hosts that have failed.
  std::string why(std::int64_t now, std::size_t gpus, bool waits = true) const;
  // Whether there may be a place later: on a host that is busy, or that failed and had been reached before.
  bool may_come(std::int64_t now, std::size_t gpus) const;
  // When there may be one although nothing is given back.
  std::int64_t next_change(std::int64_t now) const;

  // Its worker has come: the host is well, and whatever failed there before is over.
  void served(std::uint64_t start);
  // `failed`: it could not be reached, in which case it is left alone for a while, which doubles from one
  // round to the next: what was taken before the host failed last is of that round. `stays`: for so long it
  // may still run there, and keeps its place.
  void give_back(std::int64_t now, std::uint64_t start, bool failed, std::int64_t stays = 0);

  std::string const& name_of(std::uint64_t start) const { return states_[places_.at(start).host].is.name; }

 private:
  struct state {
    host is;
    std::size_t taken = 0;
    std::vector<bool> gpus_taken;
    int failures = 0;  // in a row
    int rounds = 0;    // of failures
    bool was_reached = false;
    std::int64_t not_before = 0;
  };
  struct taken_place {
    std::size_t host = 0;
    std::vector<std::size_t> gpus;
    std::int64_t until = never;
    int round = 0;  // state::rounds, when it was taken
  };

  void release(taken_place const& gone);
  void release_due(std::int64_t now);

  std::vector<state> states_;
  std::map<std::uint64_t, taken_place> places_;
  std::vector<taken_place> staying_;  // given back, and not free before `until`
};

}  // namespace yonder::driver
