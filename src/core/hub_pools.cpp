// SPDX-License-Identifier: Apache-2.0
// The hub: where calls run that say what they need.
#include "src/core/hub_state.hpp"

namespace yonder::core {

// The pool for what a call needs; null: `refused` says why there is none.
pool_record* hub::state::find_home(std::string_view asked, std::uint64_t session, failure& refused) {
  if (auto* const known = pools.find(asked); known != nullptr) return known;
  requirements needs;
  if (!decode_requirements(std::as_bytes(std::span(asked)), needs)) {
    ++counters.protocol_violations;
    refused = failure_of(errc::protocol_violation, "what the call needs of its worker does not decode");
  } else if (auto fault = fault_of(needs); !fault.empty()) {
    refused = failure_of(errc::bad_configuration, std::move(fault));
  } else if (auto missing = pools.unsatisfiable(needs); !missing.empty()) {
    refused = failure_of(errc::unsatisfiable, std::move(missing));
  } else if (!needs.service.empty() && !work.could_offer(needs.service, needs.service_signature)) {
    refused = explain_unknown(session, needs.service, needs.service_signature);
  } else {
    return &pools.make(asked, std::move(needs));
  }
  return nullptr;
}

// The same, and for no needs the hub's own.
pool_record* hub::state::pool_of(std::string_view needs, failure& refused) {
  if (!needs.empty()) return find_home(needs, 0, refused);
  if (!config.pools.empty()) return pools.pools().front().get();
  refused =
      failure_of(errc::unsatisfiable, "this hub starts no workers of its own; set runtime_options::max");
  return nullptr;
}

failure hub::state::explain_unknown(std::uint64_t session, std::string const& name, std::uint64_t signature) {
  auto const* const client = sessions.client(session);
  return work.explain_unknown(name, signature, client == nullptr ? nullptr : &client->functions);
}

}  // namespace yonder::core
