// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

namespace yonder::core {

class flow_table;

inline constexpr std::uint32_t most_weight = 1'000;

// Who has proved to be the same.
struct credential_record {
  flow_table* table = nullptr;
  std::string identity;
  std::uint32_t weight = 1;  // of its share
  std::size_t holders = 0;
};

// Whose calls share with those of others: a credential's, or those under one of its fairness keys.
struct flow_record {
  flow_table* table = nullptr;
  credential_record* credential = nullptr;
  std::string key;           // empty: calls without one
  std::uint32_t weight = 1;  // of its share of the credential's
  std::size_t holders = 0;
};

// The flows that anybody holds: accounts, calls, and orders of service that remember what they were given.
class flow_table {
 public:
  // `keys`: of one credential at once; calls under further ones share with its calls that have none.
  // `weights`: of credentials; 1 for who is not named.
  flow_table(std::size_t keys, std::vector<std::pair<std::string, std::uint32_t>> const& weights)
      : keys_(keys) {
    for (auto const& [identity, weight] : weights) weights_.emplace(identity, weight);
  }
  flow_table(flow_table const&) = delete;
  flow_table& operator=(flow_table const&) = delete;

  flow_record& hold(std::string const& identity, std::string const& key = {}) {
    auto& held = credentials_[identity];
    if (held == nullptr) {
      held = std::make_unique<entry>();
      held->who.table = this;
      held->who.identity = identity;
      if (auto const known = weights_.find(identity); known != weights_.end())
        held->who.weight = known->second;
    }
    auto found = held->flows.find(key);
    if (found == held->flows.end()) {
      if (!key.empty() && held->flows.size() >= keys_) return hold(identity);
      found = held->flows.emplace(key, std::make_unique<flow_record>()).first;
      found->second->table = this;
      found->second->credential = &held->who;
      found->second->key = key;
      ++held->who.holders;
    }
    ++found->second->holders;
    return *found->second;
  }
  void hold(flow_record& flow) noexcept { ++flow.holders; }
  void hold(credential_record& who) noexcept { ++who.holders; }

  void release(flow_record& flow) {
    if (--flow.holders != 0) return;
    auto& who = *flow.credential;
    credentials_.find(who.identity)->second->flows.erase(std::string(flow.key));
    release(who);
  }
  void release(credential_record& who) {
    if (--who.holders == 0) credentials_.erase(std::string(who.identity));
  }

  std::size_t credentials() const noexcept { return credentials_.size(); }

 private:
  struct entry {
    credential_record who;
    std::unordered_map<std::string, std::unique_ptr<flow_record>> flows;
  };

  std::size_t keys_;
  std::unordered_map<std::string, std::uint32_t> weights_;
  std::unordered_map<std::string, std::unique_ptr<entry>> credentials_;
};

}  // namespace yonder::core
