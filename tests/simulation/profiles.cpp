// SPDX-License-Identifier: Apache-2.0
#include "tests/simulation/simulation.hpp"

#include <stdexcept>

namespace yonder::core::simulation {
namespace {

constexpr auto slow_link = static_cast<std::int64_t>(8'000'000 / size_scale);

std::vector<profile> make_profiles() {
  profile fast;
  fast.name = "fast";
  fast.shortest_delay = fast.longest_delay = 10 * microsecond;

  profile local;
  local.name = "local";
  local.launcher = true;
  local.functions = 3;
  local.worker_crash_every = 20 * millisecond;
  local.client_crash_every = 60 * millisecond;
  local.imposture_every = 30 * millisecond;
  local.lies_every = 20 * millisecond;
  local.drain_every = 40 * millisecond;
  local.start_fails = 0.05;
  local.start_hangs = 0.01;
  local.foreign_worker = true;
  local.throws = 0.01;
  local.hangs = 0.002;
  local.ignores_stop = 0.002;
  local.crashes = 0.001;
  local.long_runs = 0.005;
  local.cancels = 0.03;
  local.batches = 0.1;
  local.deadlines = 0.1;
  local.timeouts = 0.1;
  local.retries = 0.2;
  local.idempotent = 0.1;

  profile drains;
  drains.name = "drains";
  drains.functions = 2;
  drains.prefetch_bytes = 1'000;
  drains.drain_every = 5 * millisecond;
  drains.long_runs = 0.01;
  drains.cancels = 0.02;

  profile batches;
  batches.name = "batches";
  batches.workers = 2;
  batches.batches = 0.5;
  batches.worker_crash_every = 30 * millisecond;
  batches.drain_every = 50 * millisecond;
  batches.throws = 0.005;
  batches.hangs = 0.01;
  batches.long_runs = 0.01;
  batches.cancels = 0.03;
  batches.deadlines = 0.05;
  batches.timeouts = 0.5;
  batches.retries = 0.2;

  // Items that outlast their timeouts, in a worker that nobody helps.
  profile bundled = batches;
  bundled.name = "bundled";
  bundled.workers = 1;
  bundled.hangs = 0.05;
  bundled.timeouts = 1;
  bundled.worker_crash_every = bundled.drain_every = 0;
  bundled.retries = bundled.cancels = bundled.deadlines = 0;

  profile lossy = local;
  lossy.name = "lossy";
  lossy.reliable = false;
  lossy.launcher = false;
  lossy.foreign_worker = false;
  lossy.window = 32;
  lossy.drop = 0.02;
  lossy.repeat = 0.02;
  lossy.flip = 0.002;
  lossy.worker_crash_every = 200 * millisecond;
  lossy.client_crash_every = 300 * millisecond;
  lossy.drain_every = 200 * millisecond;
  lossy.reconnect_every = 50 * millisecond;
  lossy.partition_every = 300 * millisecond;

  // Only frames are lost, repeated and late: every call has its outcome in its time.
  profile leaky;
  leaky.name = "leaky";
  leaky.reliable = false;
  leaky.window = 16;
  leaky.drop = 0.02;
  leaky.repeat = 0.02;
  leaky.straggle = 0.01;

  profile wild = lossy;
  wild.name = "wild";
  wild.drop = 0.1;
  wild.repeat = 0.1;
  wild.straggle = 0.05;
  wild.longest_delay = 2 * millisecond;
  wild.hub_restart_every = 2 * second;
  wild.stop_every = 500 * millisecond;
  wild.longest_hub_stop = 2 * second;
  wild.longest_stop = 2 * second;

  // Large arguments and values over links of which two are slow: everybody hears from everybody.
  profile slow;
  slow.name = "slow";
  slow.reliable = false;
  slow.window = 16;
  slow.large = 0.05;
  slow.slow_bytes_per_second = slow_link;
  slow.cancels = 0.2;
  slow.deadlines = 0.02;
  slow.timeouts = 0.2;

  // So slow that what is on its way is taken for lost.
  profile crawling = slow;
  crawling.name = "crawling";
  crawling.slow_bytes_per_second = slow_link / 5;
  crawling.drain_every = 400 * millisecond;

  profile rough = lossy;
  rough.name = "rough";
  rough.large = 0.005;
  rough.slow_bytes_per_second = slow_link;

  profile driven = local;
  driven.name = "driven";
  driven.drivers = true;
  driven.interrupts = 0.05;
  driven.step_throws = 0.001;
  driven.long_runs = 0.01;
  driven.large = 0.003;

  profile broken = driven;
  broken.name = "broken";
  broken.foreign_worker = false;
  broken.queue_frames = 2;
  broken.deadlines = 0.3;
  broken.imposture_every = broken.lies_every = 0;
  broken.window = 256;
  broken.send_throws = 0.0005;
  broken.narrow = 0.3;
  broken.large = 0.02;
  broken.client_crash_every = broken.worker_crash_every = 1 * second;

  profile driven_lossy = lossy;
  driven_lossy.name = "driven_lossy";
  driven_lossy.drivers = true;
  driven_lossy.interrupts = 0.05;
  driven_lossy.step_throws = 0.001;
  driven_lossy.large = 0.005;
  driven_lossy.slow_bytes_per_second = slow_link;

  // Nodes stand still, the hub for seconds, and nothing is lost by it.
  profile stopped;
  stopped.name = "stopped";
  stopped.reliable = false;
  stopped.window = 4;
  stopped.long_runs = 0.1;
  stopped.longest_delay = 5 * millisecond;
  stopped.stop_every = 60 * millisecond;
  stopped.longest_hub_stop = 4 * second;
  stopped.longest_stop = 200 * millisecond;
  stopped.deadlines = 0.05;
  stopped.cancels = 0.2;

  profile pools = local;
  pools.name = "pools";
  pools.foreign_worker = false;
  pools.workers = 2;
  pools.pools = 3;
  pools.functions = 7;
  pools.start_fails = 0.7;
  pools.stop_every = 50 * millisecond;
  pools.longest_hub_stop = 500 * millisecond;
  pools.longest_stop = 500 * millisecond;

  // Clients that take nothing: what they were sent is lost, and they go on asking.
  profile credit;
  credit.name = "credit";
  credit.reliable = false;
  credit.clients = 2;
  credit.workers = 1;
  credit.client_bytes = 2'000;
  credit.partition_every = 20 * millisecond;
  credit.deadlines = 0.1;
  credit.cancels = 0.9;

  // Everybody tries again, in vain.
  profile storm;
  storm.name = "storm";
  storm.throws = 0.3;
  storm.crashes = 0.002;
  storm.retries = 0.9;
  storm.idempotent = 0.3;
  storm.batches = 0.1;

  // Workers run several at once, which begin and end in any order.
  profile neighbours = local;
  neighbours.name = "neighbours";
  neighbours.foreign_worker = false;
  neighbours.concurrency = 3;
  neighbours.workers = 2;
  neighbours.batches = 0.2;
  neighbours.long_runs = 0.05;
  neighbours.ignores_stop = 0.01;
  neighbours.crashes = 0.003;
  neighbours.idempotent = 0.3;
  neighbours.timeouts = 0.8;

  // Nothing but their timeouts ends what they run, and not all of it stops.
  profile stubborn = neighbours;
  stubborn.name = "stubborn";
  stubborn.ignores_stop = 0.2;
  stubborn.crashes = 0;
  stubborn.worker_crash_every = stubborn.client_crash_every = stubborn.drain_every = 0;

  profile driven_neighbours = neighbours;
  driven_neighbours.name = "driven_neighbours";
  driven_neighbours.drivers = true;
  driven_neighbours.interrupts = 0.05;
  driven_neighbours.step_throws = 0.001;

  // Functions that take several calls at once.
  profile batched = local;
  batched.name = "batched";
  batched.foreign_worker = false;
  batched.batched = true;
  batched.workers = 3;
  batched.window = 12;
  batched.throws = 0.05;
  batched.crashes = 0.005;
  batched.long_runs = 0.05;

  profile driven_batched = batched;
  driven_batched.name = "driven_batched";
  driven_batched.drivers = true;
  driven_batched.concurrency = 2;
  driven_batched.interrupts = 0.05;
  driven_batched.large = 0.003;

  // Calls that need a worker which has made a service: one that runs several calls, one that cannot always be
  // made, one that never can.
  profile services = local;
  services.name = "services";
  services.foreign_worker = false;
  services.services = 4;
  services.start_fails = 0.02;

  profile driven_services = services;
  driven_services.name = "driven_services";
  driven_services.drivers = true;
  driven_services.interrupts = 0.05;

  // Tasks that make calls, and wait for them. Workers that wait make room for others,
  profile nested = local;
  nested.name = "nested";
  nested.foreign_worker = false;
  nested.workers = 2;
  nested.window = 16;
  nested.nests = 0.3;
  nested.drain_every = 0;
  nested.start_fails = nested.start_hangs = 0;

  // What is called within others is served before, and from the share of whoever made the outermost call.
  profile nested_turns = nested;
  nested_turns.name = "nested_turns";
  nested_turns.turns = 0.7;
  nested_turns.client_crash_every = 0;

  profile driven_nested = nested;
  driven_nested.name = "driven_nested";
  driven_nested.drivers = true;
  driven_nested.interrupts = 0.05;

  // or there are no others.
  profile starved = nested;
  starved.name = "starved";
  starved.launcher = false;
  starved.workers = 3;
  // Nothing else ends what waits.
  starved.worker_crash_every = starved.client_crash_every = 0;
  starved.crashes = starved.timeouts = starved.deadlines = starved.cancels = starved.ignores_stop = 0;

  // What tasks call streams, and is made of others.
  profile nested_streams = nested;
  nested_streams.name = "nested_streams";
  nested_streams.streams = 0.4;
  nested_streams.composes = 0.3;

  profile starved_streams = starved;
  starved_streams.name = "starved_streams";
  starved_streams.streams = 0.3;
  starved_streams.composes = 0.3;

  // Items go to readers that are slow at times, and to tasks; some attempts go on behind those before them.
  profile streams = local;
  streams.name = "streams";
  streams.foreign_worker = false;
  streams.workers = 3;
  streams.window = 12;
  streams.streams = 0.6;
  streams.crashes = 0.005;
  streams.idempotent = 0.4;
  streams.timeouts = 0.4;

  profile driven_streams = streams;
  driven_streams.name = "driven_streams";
  driven_streams.drivers = true;
  driven_streams.interrupts = 0.05;
  driven_streams.step_throws = 0.001;

  profile lossy_streams = lossy;
  lossy_streams.name = "lossy_streams";
  lossy_streams.window = 12;
  lossy_streams.streams = 0.6;
  lossy_streams.composes = 0.2;
  lossy_streams.idempotent = 0.5;
  lossy_streams.large = 0.002;
  lossy_streams.hub_restart_every = 1 * second;

  // Calls that are made of others, which may fail, be cancelled or be lost.
  profile composed = local;
  composed.name = "composed";
  composed.foreign_worker = false;
  composed.window = 16;
  composed.composes = 0.5;
  composed.throws = 0.03;
  composed.crashes = 0.003;
  composed.large = 0.005;

  // Tasks that say how far they are, of calls that travel and run together, and of others.
  profile reports = batched;
  reports.name = "reports";
  reports.reports = 0.5;
  reports.batches = 0.2;
  reports.crashes = 0.002;

  profile driven_reports = reports;
  driven_reports.name = "driven_reports";
  driven_reports.drivers = true;
  driven_reports.interrupts = 0.05;
  driven_reports.step_throws = 0.001;

  profile lossy_reports = lossy;
  lossy_reports.name = "lossy_reports";
  lossy_reports.reports = 0.5;
  lossy_reports.batches = 0.2;
  lossy_reports.long_runs = 0.1;

  profile journal = local;
  journal.name = "journal";
  journal.journal = true;
  journal.durable = 0.5;
  journal.searches = 0.03;
  journal.max_queue = 120;
  journal.cached_bytes = 2048;

  // The hub is killed, again and again, and another one reads what it has written down.
  profile recovery = lossy;
  recovery.name = "recovery";
  recovery.journal = true;
  recovery.durable = 0.7;
  recovery.searches = 0.1;
  recovery.cached_bytes = 4096;
  recovery.hub_restart_every = 300 * millisecond;
  recovery.crashes = 0;

  // All that the journal has is in memory, too, and much is asked for.
  profile remembered = recovery;
  remembered.name = "remembered";
  remembered.cached_bytes = 0;
  remembered.searches = 0.4;

  // Tasks that are called with the outcomes of calls.
  profile callbacks = recovery;
  callbacks.name = "callbacks";
  callbacks.callbacks = 0.6;
  callbacks.durable = 0.9;
  callbacks.throws = 0.1;

  // Callers that ask for the same under one idempotency key, again and again.
  profile keys = local;
  keys.name = "keys";
  keys.foreign_worker = false;
  keys.clients = 4;
  keys.keys = 0.6;
  keys.key_window = 5 * millisecond;
  keys.cancels = 0.1;
  keys.client_crash_every = 0;

  profile durable_keys = recovery;
  durable_keys.name = "durable_keys";
  durable_keys.clients = 4;
  durable_keys.keys = 0.6;
  durable_keys.key_window = 100 * millisecond;
  durable_keys.durable = durable_keys.searches = 0;

  // All want to be served at once.
  profile turns;
  turns.name = "turns";
  turns.workers = 2;
  turns.functions = 3;
  turns.turns = 0.7;
  turns.batches = 0.05;
  turns.throws = 0.02;
  turns.hangs = 0.003;
  turns.ignores_stop = 0.002;
  turns.long_runs = 0.003;
  turns.timeouts = 0.3;
  turns.retries = 0.5;
  turns.cancels = 0.02;
  turns.deadlines = 0.05;
  turns.crashes = 0.001;
  turns.worker_crash_every = 100 * millisecond;
  turns.drain_every = 100 * millisecond;

  // Workers have GPUs, cores and memory for themselves.
  profile leases;
  leases.name = "leases";
  leases.launcher = true;
  leases.workers = 2;
  leases.functions = 2;
  leases.needs = 0.8;
  leases.window = 16;
  leases.batches = 0.1;
  leases.start_fails = 0.05;
  leases.start_hangs = 0.01;
  leases.throws = 0.02;
  leases.hangs = 0.003;
  leases.ignores_stop = 0.002;
  leases.timeouts = 0.3;
  leases.retries = 0.5;
  leases.cancels = 0.02;
  leases.crashes = 0.001;
  leases.worker_crash_every = 50 * millisecond;
  leases.client_crash_every = 200 * millisecond;
  leases.drain_every = 50 * millisecond;

  // Workers that are ended when their time is over, or before.
  profile allocations;
  allocations.name = "allocations";
  allocations.launcher = true;
  allocations.workers = 3;
  allocations.functions = 3;
  allocations.window = 16;
  allocations.allocation = 160 * millisecond;
  allocations.batches = 0.1;
  allocations.throws = 0.01;
  allocations.hangs = 0.002;
  allocations.long_runs = 0.05;
  allocations.timeouts = 0.5;
  allocations.retries = 0.5;
  allocations.idempotent = 0.1;
  allocations.cancels = 0.02;
  allocations.deadlines = 0.05;
  allocations.drain_every = 100 * millisecond;

  profile driven_allocations = allocations;
  driven_allocations.name = "driven_allocations";
  driven_allocations.drivers = true;
  driven_allocations.batched = true;
  driven_allocations.interrupts = 0.05;

  profile crowd;
  crowd.name = "crowd";
  crowd.crowd = true;

  profile sharing;
  sharing.name = "sharing";
  sharing.sharing = true;

  profile swarm;
  swarm.name = "swarm";
  swarm.swarm = true;

  // Two builds of one program, and another one; callers of a third build.
  profile builds = recovery;
  builds.name = "builds";
  builds.builds = true;
  builds.clients = 8;
  builds.durable = 0.3;
  builds.searches = 0;

  // Hubs end in good order, one after the other, over links that lose, repeat and reorder. Whatever may be
  // started once has its outcome nevertheless.
  profile upgrades = leaky;
  upgrades.name = "upgrades";
  upgrades.workers = 3;
  upgrades.concurrency = 2;
  upgrades.functions = 2;
  upgrades.window = 24;
  upgrades.hub_upgrade_every = 200 * millisecond;
  upgrades.reconnect_every = 100 * millisecond;
  upgrades.batches = 0.2;
  upgrades.streams = 0.1;
  upgrades.composes = 0.1;
  upgrades.throws = 0.02;
  upgrades.long_runs = 0.002;
  upgrades.retries = 0.3;
  upgrades.cancels = 0.05;
  upgrades.deadlines = 0.05;
  upgrades.large = 0.001;
  upgrades.drop = 0.05;

  profile durable_upgrades = upgrades;
  durable_upgrades.name = "durable_upgrades";
  durable_upgrades.journal = true;
  durable_upgrades.durable = 0.4;
  durable_upgrades.searches = 0.03;
  durable_upgrades.streams = durable_upgrades.composes = 0;

  // What runs for longer than a hub waits outlasts it.
  profile handovers = upgrades;
  handovers.name = "handovers";
  handovers.streams = handovers.composes = 0;
  handovers.long_runs = 0.15;
  handovers.hub_drain = 15 * millisecond;
  handovers.hub_upgrade_every = 600 * millisecond;
  handovers.silence = 600 * millisecond;
  handovers.leaves_with_hub = 1;  // whose calls nobody comes for

  return {fast,
          local,
          drains,
          batches,
          bundled,
          lossy,
          leaky,
          wild,
          slow,
          crawling,
          rough,
          driven,
          broken,
          driven_lossy,
          stopped,
          pools,
          credit,
          storm,
          neighbours,
          stubborn,
          driven_neighbours,
          nested,
          nested_turns,
          driven_nested,
          starved,
          nested_streams,
          starved_streams,
          batched,
          driven_batched,
          services,
          driven_services,
          streams,
          driven_streams,
          lossy_streams,
          composed,
          reports,
          driven_reports,
          lossy_reports,
          journal,
          recovery,
          remembered,
          callbacks,
          keys,
          durable_keys,
          turns,
          leases,
          allocations,
          driven_allocations,
          crowd,
          sharing,
          swarm,
          builds,
          upgrades,
          durable_upgrades,
          handovers};
}

profile const& of(char const* name) { return profile_named(name); }

// Half of the misfortunes of `base` never happen; the others more rarely or more often.
void draw_misfortunes(profile& made, profile const& base, random_source& random) {
  for (auto const& one : fields()) {
    auto const factor = 0.1 + static_cast<double>(random.below(20)) / 10;
    auto const usual = one.get(base);
    if (random.below(2) == 0 || usual == 0)
      one.set(made, 0);
    else
      one.set(made, one.probability != nullptr ? usual * factor : usual / factor);
  }
}

}  // namespace

std::vector<profile> const& profiles() {
  static auto const made = make_profiles();
  return made;
}

profile const& profile_named(std::string const& name) {
  for (auto const& one : profiles()) {
    if (one.name == name) return one;
  }
  throw std::invalid_argument("no profile is named \"" + name + "\"");
}

std::vector<field> const& fields() {
  static std::vector<field> const all = {
      {"drop", &profile::drop, nullptr},
      {"repeat", &profile::repeat, nullptr},
      {"flip", &profile::flip, nullptr},
      {"straggle", &profile::straggle, nullptr},
      {"start_fails", &profile::start_fails, nullptr},
      {"start_hangs", &profile::start_hangs, nullptr},
      {"interrupts", &profile::interrupts, nullptr},
      {"step_throws", &profile::step_throws, nullptr},
      {"send_throws", &profile::send_throws, nullptr},
      {"narrow", &profile::narrow, nullptr},
      {"large", &profile::large, nullptr},
      {"throws", &profile::throws, nullptr},
      {"leaves_with_hub", &profile::leaves_with_hub, nullptr},
      {"hangs", &profile::hangs, nullptr},
      {"ignores_stop", &profile::ignores_stop, nullptr},
      {"crashes", &profile::crashes, nullptr},
      {"long_runs", &profile::long_runs, nullptr},
      {"nests", &profile::nests, nullptr},
      {"streams", &profile::streams, nullptr},
      {"reports", &profile::reports, nullptr},
      {"keys", &profile::keys, nullptr},
      {"composes", &profile::composes, nullptr},
      {"batches", &profile::batches, nullptr},
      {"cancels", &profile::cancels, nullptr},
      {"deadlines", &profile::deadlines, nullptr},
      {"timeouts", &profile::timeouts, nullptr},
      {"retries", &profile::retries, nullptr},
      {"idempotent", &profile::idempotent, nullptr},
      {"durable", &profile::durable, nullptr},
      {"callbacks", &profile::callbacks, nullptr},
      {"searches", &profile::searches, nullptr},
      {"turns", &profile::turns, nullptr},
      {"needs", &profile::needs, nullptr},
      {"partition_every", nullptr, &profile::partition_every},
      {"reconnect_every", nullptr, &profile::reconnect_every},
      {"worker_crash_every", nullptr, &profile::worker_crash_every},
      {"client_crash_every", nullptr, &profile::client_crash_every},
      {"silence", nullptr, &profile::silence},
      {"hub_restart_every", nullptr, &profile::hub_restart_every},
      {"hub_upgrade_every", nullptr, &profile::hub_upgrade_every},
      {"drain_every", nullptr, &profile::drain_every},
      {"imposture_every", nullptr, &profile::imposture_every},
      {"lies_every", nullptr, &profile::lies_every},
      {"stop_every", nullptr, &profile::stop_every},
  };
  return all;
}

bool set_count(profile& of, std::string const& name, int value) {
  if (name == "clients") return of.clients = value, true;
  if (name == "workers") return of.workers = value, true;
  if (name == "window") return of.window = value, true;
  if (name == "most_calls") return of.most_calls = value, true;
  return false;
}

profile drawn(profile const& how, std::uint64_t seed) {
  if (!how.swarm) return how;
  random_source random(seed ^ 0x737761726dULL);
  profile made = of(random.below(2) == 0 ? "broken" : random.below(2) == 0 ? "wild" : "driven_lossy");
  draw_misfortunes(made, profile(made), random);
  made.name = how.name;
  made.clients = 1 + static_cast<int>(random.below(6));
  made.workers = 1 + static_cast<int>(random.below(6));
  made.window = 1 << random.below(8);
  made.functions = 1 + random.below(4);
  made.concurrency = random.below(3) == 0 ? 2 + static_cast<int>(random.below(3)) : 1;
  made.drivers = random.below(3) != 0;
  made.queue_frames = static_cast<std::uint32_t>(1 + random.below(64));
  made.longest_delay = made.shortest_delay << random.below(9);
  return made;
}

}  // namespace yonder::core::simulation
