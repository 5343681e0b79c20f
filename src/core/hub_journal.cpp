// SPDX-License-Identifier: Apache-2.0
// The hub: what a journal is told, and what waits for it.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

namespace yonder::core {

// Durable calls only; says what happened.
void hub::state::record(call_record& call, out::append::kind what, frame_ref body, outputs& out) {
  if (!config.journal || !call.policy.durable) return;
  call.record = ++last_record;
  out.emplace_back(out::append{call.record, what, call.id, call.count, std::move(body)});
}

// The call waits until that is on disk.
void hub::state::append(call_record& call, out::append::kind what, frame_ref body, outputs& out) {
  record(call, what, std::move(body), out);
  call.stage = call_stage::unsynced;
  unsynced.push_back(call);
}

void hub::state::synced(time_point now, std::uint64_t up_to, outputs& out) {
  while (!unsynced.empty() && unsynced.front().record <= up_to) {
    YONDER_REACHED(synced);
    auto& call = unsynced.front();
    unsynced.remove(call);
    if (std::exchange(call.accepted, true)) {
      call.start_recorded = true;
      work.requeue(now, call);
    } else {
      say_accepted(now, call, out);
      line_up(now, call);
    }
  }
}

void hub::state::say_accepted(time_point now, call_record& call, outputs& out) {
  auto* const client = sessions.client(call.id.session);
  if (client == nullptr || call.orphaned_since != never) return;
  auto message = make_control(frame_type::accepted);
  message.head.call = call.id;
  set_item_count(message, call.count);
  send(now, *client, std::move(message), out);
}

}  // namespace yonder::core
