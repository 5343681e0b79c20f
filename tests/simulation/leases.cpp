// SPDX-License-Identifier: Apache-2.0
#include "src/core/requirements.hpp"
#include "tests/simulation/world.hpp"

// Calls that say what their workers are to have, and who has what.
namespace yonder::core::simulation {
namespace {

constexpr std::uint64_t of_a_gpu = 10;

// By record::needs; the first: nothing is needed.
std::vector<requirements> const& all_needs() {
  static auto const made = [] {
    std::vector<requirements> some(6);
    some[1].resources = {.gpus = 1};
    some[2].resources = {.gpus = 1, .gpu_memory = 4};
    some[3].resources = {.gpus = 2, .cores = 1};
    some[4].resources = {.cores = 2, .memory = 60};
    some[5].isolate = true;
    return some;
  }();
  return made;
}

template <class Number>
bool overlap(std::vector<Number> const& a, std::vector<Number> const& b) {
  return std::any_of(a.begin(), a.end(),
                     [&](auto const& one) { return std::find(b.begin(), b.end(), one) != b.end(); });
}

}  // namespace

std::size_t world::kinds_of_needs() { return all_needs().size(); }

machine world::simulated_machine() {
  return {.gpus = {{"0", of_a_gpu}, {"1", of_a_gpu}}, .cores = {0, 1, 2, 3}, .memory = 100, .remark = {}};
}

std::uint32_t world::draw_needs() {
  return happens(how_.needs) ? static_cast<std::uint32_t>(1 + random_.below(all_needs().size() - 1)) : 0;
}

void world::write_needs(byte_buffer& body, std::uint32_t needs) {
  if (needs != 0) write_requirements(body, encode_requirements(all_needs()[needs]));
}

// A worker's first call tells what it was started for.
void world::observe_lease(std::uint32_t index, call_id id) {
  if (how_.needs == 0) return;
  auto& node = workers_[index];
  auto const* const call = find(id);
  if (call == nullptr) return;
  if (!node.needs) node.needs = call->needs;
  if (*node.needs != call->needs) return violated("a worker runs calls that need different ones");
  auto const& needs = all_needs()[call->needs];
  if (needs.isolate && node.run > 1) violated("a worker of an isolated call runs another one");
  if (node.gpus.size() != needs.resources.gpus || node.cores.size() != needs.resources.cores)
    violated("a worker has not what its calls need");
  if (needs.resources.any()) reach(state::leased);
  std::map<std::string, std::uint64_t> shared;
  std::uint64_t memory = 0;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    auto const& other = workers_[i];
    if (other.core == nullptr) continue;
    if (i != index && overlap(node.cores, other.cores)) violated("two workers have one core");
    if (!other.needs) continue;
    auto const& its = all_needs()[*other.needs].resources;
    memory += its.memory;
    auto const whole = its.gpu_memory == 0 || needs.resources.gpu_memory == 0;
    if (i != index && whole && overlap(node.gpus, other.gpus)) violated("two workers have one GPU");
    for (auto const& gpu : other.gpus)
      if ((shared[gpu] += its.gpu_memory) > of_a_gpu) violated("workers have more of a GPU than there is");
  }
  if (memory > simulated_machine().memory) violated("workers have more memory than there is");
}

}  // namespace yonder::core::simulation
