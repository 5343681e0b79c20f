// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "src/core/types.hpp"

#include <string>
#include <string_view>
#include <unordered_map>

// Which call stands for an idempotency key: the one that is under way, or whose outcome is kept.
namespace yonder::core {

struct key_record {
  std::string const* scope = nullptr;
  std::string digest;  // of the call's arguments
  call_id call;
  bool keeps = false;  // the call's outcome is that of the key; otherwise the key is free when it has ended
};

// What a key means the same in: one credential's calls of one task and structure.
std::string scope_of(std::string_view identity, std::string_view function, std::uint64_t signature,
                     std::string_view key);

class idempotency_keys {
 public:
  // Null: no call stands for it.
  key_record* find(std::string const& scope);
  // Null: one does.
  key_record* add(std::string scope, std::string_view digest, call_id call);
  void remove(key_record& one);

  std::size_t size() const noexcept { return by_scope_.size(); }
  // What they take, roughly.
  std::size_t bytes() const noexcept { return bytes_; }

 private:
  static std::size_t cost_of(std::string const& scope) { return scope.size() + 256; }

  std::unordered_map<std::string, key_record> by_scope_;
  std::size_t bytes_ = 0;
};

}  // namespace yonder::core
