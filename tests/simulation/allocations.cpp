// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/world.hpp"

// Workers whose time is bounded, as that of a batch system's allocations is.
namespace yonder::core::simulation {
namespace {

constexpr duration notice = 10 * millisecond;  // of a preemption

}  // namespace

// Some are ended sooner than they think, and some of those are told before.
void world::plan_end(std::uint32_t index, worker_config& config) {
  auto& node = workers_[index];
  auto const lasts = between(how_.allocation / 2, how_.allocation * 3 / 2);
  node.ends_at = config.ends_at = now_ + lasts;
  auto const sooner = random_.below(4) == 0;
  auto const ends_at = sooner ? now_ + between(notice, lasts) : node.ends_at;
  if (sooner) plan(ends_at - notice - now_, kind::told_of_end, index, node.generation);
  plan(ends_at - now_, kind::allocation_ends, index, node.generation);
}

void world::tell_of_end(std::uint32_t index, std::uint32_t generation) {
  auto& node = workers_[index];
  if (node.core == nullptr || node.generation != generation) return;
  reach(state::preempted);
  close_row(index);
  node.core->ends(now_, now_ + notice, out_);
  after_worker(index);
}

// What waits there was taken back before.
void world::end_allocation(std::uint32_t index, std::uint32_t generation) {
  auto& node = workers_[index];
  if (node.core == nullptr || node.generation != generation) return;
  reach(state::allocation_over);
  if (node.core->queued() != 0) violated("an allocation ends with calls in its worker that wait");
  end_worker(index, 9);
}

// Unless it waits behind others, a call ends in time, as far as its timeout is to be believed.
void world::observe_allocation(connection const& over, call_id id) {
  auto const& node = workers_[over.node];
  auto const* const call = find(id);
  if (call == nullptr || node.core == nullptr || over.generation != node.generation) return;
  if (now_ + call->timeout > node.ends_at + slack_)
    violated("a worker is given a call that does not end before its allocation does");
}

// Its retries are used up, or it has none. What an allocation's end costs it nothing, three times.
bool world::is_cut_short(record const& call) const {
  return how_.allocation != 0 && (!call.may_repeat || call.last_attempt > 3);
}

}  // namespace yonder::core::simulation
