// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/hub_records.hpp"

#include <algorithm>
#include <map>
#include <string>
#include <unordered_map>

namespace yonder::core {

// How much those who have one credential may have at once: calls that run or wait for a worker, and the GPUs
// that these ask for. What is past it waits here, in the order in which it would be served.
struct quota {
  std::uint32_t max_jobs = 0;  // 0: any number
  std::uint32_t max_gpus = 0;
  std::uint64_t jobs = 0;
  std::uint64_t gpus = 0;
  std::map<service_rank, call_queue> waiting;  // none of them is empty

  static service_rank rank_of(call_record const& call) { return core::rank_of(call.priority, 0); }
  static std::uint32_t gpus_of(call_record const& call) {
    auto const* const home = call.function->home;
    return home == nullptr ? 0 : home->needs.resources.gpus;
  }

  // How many of its items may have their turn now.
  std::uint32_t room(call_record const& call) const {
    auto most = std::uint64_t{call.count};
    if (max_jobs != 0) most = std::min(most, max_jobs - std::min<std::uint64_t>(max_jobs, jobs));
    if (auto const each = gpus_of(call); max_gpus != 0 && each != 0)
      most = std::min(most, (max_gpus - std::min<std::uint64_t>(max_gpus, gpus)) / each);
    return static_cast<std::uint32_t>(most);
  }
  void count(call_record const& call) {
    jobs += call.count;
    gpus += std::uint64_t{call.count} * gpus_of(call);
  }
  void discount(call_record const& call) {
    jobs -= call.count;
    gpus -= std::uint64_t{call.count} * gpus_of(call);
  }
  call_record* first() { return waiting.empty() ? nullptr : waiting.begin()->second.first(); }
  void remove(call_record& call) {
    auto const found = waiting.find(rank_of(call));
    found->second.remove(call);
    if (found->second.empty()) waiting.erase(found);
  }
};

// Of credentials that have one.
class quota_table {
 public:
  // Null: it has none, and never had.
  quota* find(std::string const& identity) {
    if (quotas_.empty()) return nullptr;
    auto const found = quotas_.find(identity);
    return found == quotas_.end() ? nullptr : &found->second;
  }
  // 0 and 0: none any more. Null: it never had one.
  quota* set(std::string const& identity, std::uint32_t max_jobs, std::uint32_t max_gpus) {
    auto* const known = find(identity);
    if (known == nullptr && max_jobs == 0 && max_gpus == 0) return nullptr;
    auto& one = known != nullptr ? *known : quotas_[identity];
    one.max_jobs = max_jobs;
    one.max_gpus = max_gpus;
    return &one;
  }

 private:
  std::unordered_map<std::string, quota> quotas_;
};

}  // namespace yonder::core
