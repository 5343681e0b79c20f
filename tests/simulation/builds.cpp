// SPDX-License-Identifier: Apache-2.0
//
// Workers and callers are several builds of one program, or another program. A call runs on no other build
// than it asks for, and is refused only for that.
#include "tests/simulation/world.hpp"

namespace yonder::core::simulation {
namespace {

constexpr std::uint64_t build_count = 2;  // of which workers are; some callers are of another one

}  // namespace

// Of four workers one is another program.
program_build world::build_of_worker(std::uint32_t index) const {
  if (!how_.builds) return {};
  if (index % 4 == 3) return {"others", 9};
  return {"simulated", 1 + index % build_count};
}

program_build world::build_of_client(std::uint32_t index) const {
  if (!how_.builds) return {};
  if (index % 4 == 3) return {};
  return {"simulated", 1 + index % (build_count + 1)};
}

pin world::draw_pin(std::uint32_t client, call_policy const& policy) {
  if (!how_.builds) return {};
  auto const its = build_of_client(client);
  switch (random_.below(6)) {
    case 0: return {.said = true};
    case 1:
      // A durable one waits for as long as it takes, so it asks for that of the worker which is never cut
      // off.
      if (its.build != 0 && (!policy.durable || its.build == build_of_worker(0).build))
        return {.said = true, .choice = {its.build}};
      [[fallthrough]];
    default: return {.said = false, .choice = policy.durable ? build_choice{} : usual_choice(its)};
  }
}

void world::write_pin(byte_buffer& body, pin const& its) {
  if (its.said) write_pinned(body, its.choice.build);
}

void world::observe_build(worker_node const& node, record const& call) {
  if (!how_.builds || call.pinned.choice.is_any()) return;
  reach(state::pinned);
  if (!takes(call.pinned.choice, node.made_of)) violated("a call runs on another build than it asks for");
}

}  // namespace yonder::core::simulation
