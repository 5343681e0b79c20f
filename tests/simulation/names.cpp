// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {

std::string_view to_string(state one) {
  switch (one) {
    case state::queue_full: return "a transport took no more";
    case state::too_large: return "a call was past a limit";
    case state::large_value: return "a large block came back";
    case state::frame_refused: return "a frame could not be sent at all";
    case state::step_threw: return "a driver's step threw";
    case state::read_interrupted: return "a read was interrupted";
    case state::several_read: return "a worker read several frames at once";
    case state::stopped_early: return "a stop came before its attempt began";
    case state::taken_over: return "the watchdog read while a task ran";
    case state::exit_while_running: return "a worker was told to end while its task ran";
    case state::handed_over: return "a caller that left let another lead";
    case state::leader_woken: return "a thread woke the leader for an earlier deadline";
    case state::lied_to: return "a peer lied to the hub";
    case state::read_back: return "a hub read a call or an outcome back from its journal";
    case state::recalled: return "a hub read the journal of an earlier one";
    case state::found: return "a call was found by its id";
    case state::chose_rarely: return "the cores made their rare choices";
    case state::part_abandoned: return "the world healed but for some nodes";
    case state::left_unsent: return "a call gathered while its caller worked";
    case state::loop_slept: return "a loop of the program's own slept as the leader";
    case state::loop_robbed: return "somebody who waited took the lead from a loop that slept";
    case state::hub_stopped: return "the hub stood still for a while";
    case state::client_stopped: return "a client stood still for a while";
    case state::worker_stopped: return "a worker stood still for a while";
    case state::half_open: return "one direction of a connection was dead";
    case state::hub_restarted: return "the hub began anew";
    case state::hub_upgraded: return "a hub ended when nobody waited for anything of it";
    case state::start_failed: return "a worker could not be started";
    case state::start_hung: return "a worker that was started did not come";
    case state::pool_barren: return "the world healed but for a pool without workers";
    case state::pools_overlap: return "a call was for a function of two pools";
    case state::worker_crashed: return "a worker ended while it ran a call";
    case state::call_lost: return "a caller was told that its call may have run";
    case state::cancelled_in_queue: return "a queued call was cancelled";
    case state::row: return "items of a batch ran in a row";
    case state::row_closed: return "the watchdog closed a row";
    case state::leased: return "a worker had something for itself";
    case state::parked: return "a worker parked";
    case state::unparked: return "a parked worker came back";
    case state::turns_shared: return "several wanted to be served at once";
    case state::ran_together: return "a worker ran several attempts at once";
    case state::nested: return "a task made calls";
    case state::worker_waited: return "a worker waited for calls of its task";
    case state::deadlocked: return "a call was given up because all waited for each other";
    case state::ran_as_one: return "several calls ran as one";
    case state::threw_together: return "several calls failed as one";
    case state::entered: return "a worker made a service";
    case state::entry_failed: return "a service could not be made";
    case state::service_apart: return "services had a program of their own";
    case state::streamed: return "a task produced items one after the other";
    case state::producer_waited: return "a producer waited for its reader";
    case state::stream_resumed: return "a stream went on behind what its reader had";
    case state::fed: return "a task read what its caller sent";
    case state::joined: return "a caller was given the value of another call of its key";
    case state::progressed: return "a caller was told how far its task is";
    case state::called_back: return "a task was called with the outcome of a call";
    case state::pinned: return "a call ran that asks for a build";
    case state::refused_build: return "a call was refused as no worker is of its build";
    case state::composed: return "a call ran on the values of others";
    case state::elsewhere: return "a value went to other calls only";
    case state::allocation_over: return "a worker was ended because its time was over";
    case state::preempted: return "a worker was told that it would be ended";
    case state::referred: return "a result had a reference to a value";
    case state::brought: return "a value went to whoever asked for it";
    case state::came_late: return "an outcome with a reference came when nobody waited for it";
    case state::suspected: return "a worker ended while it ran several attempts";
  }
  return "?";
}

std::string_view to_string(mark one) {
  switch (one) {
    case mark::batch_split: return "items of a batch parted ways";
    case mark::recalled: return "what waited in a worker was called back";
    case mark::fenced: return "an attempt answered that no longer counted";
    case mark::adopted: return "a worker went on with what an earlier hub had assigned";
    case mark::claimed: return "a caller claimed what an earlier hub had assigned";
    case mark::unclaimed: return "nobody claimed what a worker had of an earlier hub";
    case mark::came_without: return "a worker came back without what an earlier hub had recorded for it";
    case mark::tokenless: return "a retry waited for a token";
    case mark::withdrawn: return "a frame was taken back before it left";
    case mark::transfer_withdrawn: return "a frame was taken back when a part had left";
    case mark::grace_over: return "a worker was ended that did not stop";
    case mark::client_silent: return "the hub gave up a silent client";
    case mark::worker_silent: return "the hub gave up a silent worker";
    case mark::deaf: return "the hub gave up a node that did not hear it";
    case mark::resumed: return "a session went on over another connection";
    case mark::begun_anew: return "a session began in the place of an older one";
    case mark::stood_still: return "a node found that it had not listened";
    case mark::stalled: return "a call waited until its caller took earlier results";
    case mark::orphaned: return "a call ended that nobody had waited for";
    case mark::quarantined: return "a call was given up that had ended several workers";
    case mark::starts_given_up: return "calls failed because no worker could be started";
    case mark::expired_in_queue: return "a deadline passed in the hub's queue";
    case mark::expired_in_worker: return "a deadline passed in a worker's queue";
    case mark::ended_itself: return "a worker ended itself with work that waited";
    case mark::out_of_order: return "a frame was kept until those before it came";
    case mark::resent: return "a frame was sent again";
    case mark::put_together: return "a large frame was put together";
    case mark::values_packed: return "values of several items travelled together";
    case mark::separated: return "the items of a batch were sent one by one";
    case mark::overloaded: return "a client asked for more than its credit";
    case mark::synced: return "a call waited for the journal";
    case mark::pool_learned: return "a pool's functions became known with its first worker";
    case mark::shared_out: return "calls of several flows waited for the same workers";
    case mark::refunded: return "what came back before it was started had cost a share";
    case mark::allocation_ended: return "a worker was drained because its time was over";
    case mark::drained: return "a hub began to end in good order";
    case mark::given_back: return "a hub that ended gave calls back that it had not begun";
    case mark::put_off: return "a client kept a call for the hub that comes next";
  }
  return "?";
}

}  // namespace yonder::core::simulation
