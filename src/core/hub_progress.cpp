// SPDX-License-Identifier: Apache-2.0
// The hub: how far tasks say that they are, on its way to those who wait for them.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

namespace yonder::core {

// The latest is kept, for whoever looks at workers. One that has not left to its caller is withdrawn by the
// next: a caller that does not read has one of each call waiting for it.
void hub::state::take_progress(time_point now, worker_session& worker, frame&& message, outputs& out) {
  auto const head = message.head;
  auto const index = find_attempt(worker, head.call, head.attempt);
  progress_report said;
  if (index == worker.outstanding.size() || !read_progress(message, said))
    return violated(now, worker, "the progress of what it was not asked, or none", out);
  auto const& attempt = worker.outstanding[index];
  auto* const call = attempt.call;
  if (call == nullptr) {
    ++counters.fenced;
    return;
  }
  auto* const client = sessions.client(call->id.session);
  if (client == nullptr || call->orphaned_since != never) return;
  message.head.call = {call->id.session, call->id.number + (head.call.number - attempt.id.number)};
  if (YONDER_MUTANT(progress_misplaced)) message.head.call = call->id;
  message.head.attempt = call->tries + 1;
  message.head.flags = 0;
  auto const [last, is_first] = progress.try_emplace(message.head.call);
  if (!is_first) client->conn.withdraw(now, last->second.ticket, out);
  if (!is_first && YONDER_MUTANT(progress_stands)) return;
  last->second.said = std::move(said);
  last->second.attempt = head.attempt;
  last->second.ticket = send(now, *client, std::move(message), out);
}

// Of calls that have ended, or whose caller is gone.
void hub::state::forget_progress(std::uint64_t session, std::uint64_t first, std::uint64_t past) {
  if (YONDER_MUTANT(progress_kept)) return;
  progress.erase(progress.lower_bound({session, first}), progress.lower_bound({session, past}));
}

}  // namespace yonder::core
