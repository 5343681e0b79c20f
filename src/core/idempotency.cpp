// SPDX-License-Identifier: Apache-2.0
#include "src/core/idempotency.hpp"

#include "src/core/mutant.hpp"
#include "src/core/plain_fields.hpp"

namespace yonder::core {

std::string scope_of(std::string_view identity, std::string_view function, std::uint64_t signature,
                     std::string_view key) {
  std::string scope;
  put_text(scope, YONDER_MUTANT(key_of_anybody) ? std::string_view() : identity);
  put_text(scope, function);
  put(scope, signature);
  return scope += key;
}

key_record* idempotency_keys::find(std::string const& scope) {
  auto const found = by_scope_.find(scope);
  return found == by_scope_.end() ? nullptr : &found->second;
}

key_record* idempotency_keys::add(std::string scope, std::string_view digest, call_id call) {
  auto const [place, is_new] = by_scope_.try_emplace(std::move(scope));
  if (!is_new) return nullptr;
  place->second = {&place->first, std::string(digest), call, false};
  bytes_ += cost_of(place->first);
  return &place->second;
}

void idempotency_keys::remove(key_record& one) {
  auto const place = by_scope_.find(*one.scope);
  bytes_ -= cost_of(place->first);
  by_scope_.erase(place);
}

}  // namespace yonder::core
