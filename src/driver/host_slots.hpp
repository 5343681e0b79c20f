// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
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

  // Taken for `start` until give_back(). Nothing: why() says why.
  std::optional<place> take(std::int64_t now, std::uint64_t start, std::size_t gpus);
  std::string why(std::int64_t now, std::size_t gpus) const;

  // `failed`: it could not be reached, in which case it is left alone for a while.
  void give_back(std::int64_t now, std::uint64_t start, bool failed);

  std::string const& name_of(std::uint64_t start) const { return states_[places_.at(start).host].is.name; }

 private:
  struct state {
    host is;
    std::size_t taken = 0;
    std::vector<bool> gpus_taken;
    int failures = 0;  // in a row
    std::int64_t not_before = 0;
  };
  struct taken_place {
    std::size_t host = 0;
    std::vector<std::size_t> gpus;
  };

  std::vector<state> states_;
  std::map<std::uint64_t, taken_place> places_;
};

}  // namespace yonder::driver
