// SPDX-License-Identifier: Apache-2.0
// The hub: workers that are parked instead of being let go.
#include "src/core/hub_state.hpp"
#include "src/core/mutant.hpp"

namespace yonder::core {

// An assignment of the hub's own to a worker that runs nothing.
void hub::state::ask(time_point now, worker_session& worker, std::string_view what, duration within,
                     outputs& out) {
  worker.entering = true;
  frame message;
  byte_buffer body;
  write_call(body, what, {}, {});
  message.head.type = frame_type::assign;
  message.head.metadata_size = static_cast<std::uint32_t>(body.size());
  message.head.call = {0, ++last_entry};
  message.head.attempt = 1;
  message.body = std::move(body);
  send(now, worker, std::move(message), out);
  give_time(now, worker, within);
}

duration hub::state::park_timeout(worker_session const& worker) const {
  auto const enter = worker.pool->needs.enter_timeout;
  return enter != 0 ? enter : config.start_timeout;
}

void hub::state::park(time_point now, worker_session& worker, outputs& out) {
  work.set_aside(now, worker);
  scaler::park(worker);
  ask(now, worker, park_worker, park_timeout(worker), out);
}

void hub::state::unpark(time_point now, outputs& out) {
  while (auto* const worker = pools.unpark(now)) ask(now, *worker, unpark_worker, park_timeout(*worker), out);
}

// What it has answered.
void hub::state::take_parking(time_point now, worker_session& worker, frame const& message, outputs& out) {
  worker.entering = false;
  auto const done = message.head.type == frame_type::result;
  if (YONDER_MUTANT(parked_runs) && worker.park == parking::begins && done && !worker.goes()) {
    scaler::forget_parked(worker);
    worker.park = parking::none;
    return work.join(
        now, worker,
        work.hold_image(worker.table, worker.pool->on_demand ? worker.pool : nullptr, worker.made_of));
  }
  if (worker.park == parking::begins) {
    if (done && !worker.goes()) {
      pools.parked(now, worker);
      return arm_grace(worker);
    }
    scaler::forget_parked(worker);
    worker.park = parking::none;
    return let_go(now, worker, out);
  }
  worker.park = parking::none;
  if (done) {
    pools.entered(*worker.pool);
    work.join(now, worker,
              work.hold_image(worker.table, worker.pool->on_demand ? worker.pool : nullptr, worker.made_of));
    return arm_grace(worker);
  }
  failure error;
  if (!read_error(message, error)) return violated(now, worker, "an error that does not decode", out);
  auto reason = "a parked worker did not get back what it has on its GPUs: ";
  entry_failed(now, worker, reason + (error.type_name.empty() ? "" : error.type_name + ": ") + error.message,
               {}, out);
  worker_drains(now, worker, out);
  give_time(now, worker, config.cancel_grace);
}

}  // namespace yonder::core
