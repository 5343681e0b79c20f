// SPDX-License-Identifier: Apache-2.0
//
// Services: what a worker makes before its first call, and calls that need a worker which has made it.
#include "src/core/requirements.hpp"
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {
namespace {

constexpr duration enter_timeout = 50 * millisecond;
constexpr duration shortest_backoff = 100 * millisecond;  // of starts, after one that failed

// By number, from 1.
constexpr std::uint32_t crowded_service = 2;  // runs several calls at once
constexpr std::uint32_t flaky_service = 3;    // cannot always be made
constexpr std::uint32_t broken_service = 4;   // never

}  // namespace

std::uint32_t world::concurrency_of(std::uint32_t service) const {
  return service == crowded_service ? 3 : 1;
}

std::string world::requirements_of(std::uint32_t service) const {
  requirements needs;
  needs.max_workers = 2;
  needs.service = service_name;
  needs.service_signature = 7;
  needs.concurrency = concurrency_of(service);
  needs.enter_timeout = enter_timeout;
  needs.arguments = std::string(1, static_cast<char>(service));
  return encode_requirements(needs);
}

void world::plan_services(hub_config& config) {
  if (!is_service_apart() || config.pools.empty()) return;
  reach(state::service_apart);
  pool_config model = config.pools.front();
  model.id = service_pool;
  auto const are_known = random_.below(2) == 0;
  model.functions = are_known ? offers_of(service_pool) : std::vector<function_info>{};
  config.services = {{std::string(service_name), std::move(model)}};
  if (random_.below(2) == 0) config.pools.front().functions = offers_of(0);
  if (is_services_only()) config.pools.clear();
}

bool world::may_fail(std::uint32_t service) { return service == flaky_service || service == broken_service; }

bool world::is_entry(out::run const& run) { return run.function == service_name; }

void world::begin_entry(std::uint32_t index, out::run const& run) {
  auto& node = workers_[index];
  auto const payload = run.message.payload();
  if (payload.size() != 1 || node.service != 0 || node.tasks.size() != 0)
    return violated("a service is not made first, or twice");
  node.started = run.mark;
  auto& made = node.tasks.emplace_back();
  made.key = run.key;
  made.run = ++node.run;
  made.since = now_;
  made.makes = static_cast<std::uint32_t>(payload[0]);
  made.does = conduct_of(made.makes);
  reach(state::entered);
  if (made.does != conduct::hangs)
    plan(between(100 * microsecond, 10 * millisecond), kind::run_ends, index, made.run);
}

conduct world::conduct_of(std::uint32_t service) {
  if (service == broken_service) return conduct::throws;
  if (service != flaky_service || random_.below(3) == 0) return conduct::returns;
  switch (random_.below(3)) {
    case 0: return conduct::hangs;
    case 1: return conduct::crashes;
    default: return conduct::throws;
  }
}

void world::end_entry(worker_node& node, task const& ended) {
  if (ended.does == conduct::throws) return node.core->finished(now_, ended.key, failure_of(ended), out_);
  node.service = ended.makes;
  node.concurrency = concurrency_of(node.service);
  node.core->allow(ended.key, node.concurrency);
  node.core->finished(now_, ended.key, frame{}, out_);
}

// --- what the hub may do

// A start that has led to a worker for this service was not too soon after one that had failed.
void world::observe_entry(connection const& over, frame const& assign) {
  auto& node = workers_[over.node];
  if (assign.payload().size() != 1) return violated("an assignment of no call");
  node.enters = static_cast<std::uint32_t>(assign.payload()[0]);
  auto const failed = failed_at_.find(node.enters);
  auto const begun = started_at_.find(node.start);
  if (failed == failed_at_.end() || begun == started_at_.end()) return;
  if (begun->second > failed->second && begun->second < failed->second + shortest_backoff)
    violated("a service that could not be made is tried again at once");
}

void world::observe_entry_failed(connection const& over) {
  reach(state::entry_failed);
  failed_at_[workers_[over.node].enters] = now_;
}

void world::observe_service(worker_node const& node, task const& made) {
  auto const* const call = find(made.call);
  if (call != nullptr && call->service != node.service)
    violated("a call is given to a worker that has not made its service");
}

}  // namespace yonder::core::simulation
