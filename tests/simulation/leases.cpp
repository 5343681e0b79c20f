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
    for (auto const place : {1, 3, 4}) some[static_cast<std::size_t>(place)].park_window = 50 * millisecond;
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

// --- workers that park

bool world::is_parking(out::run const& run) {
  return run.function == park_worker || run.function == unpark_worker;
}

// What is asked for is the hub's to know at once: from then on nobody else may have what this one has.
void world::begin_parking(std::uint32_t index, out::run const& run) {
  auto& node = workers_[index];
  auto const parks = run.function == park_worker;
  if (node.parked == parks || !node.tasks.empty()) violated("a worker parks, or comes back, out of turn");
  if (!parks) node.parked = false;
  node.started = run.mark;
  auto& made = node.tasks.emplace_back();
  made.key = run.key;
  made.run = ++node.run;
  made.since = now_;
  made.moves = parks ? task::of_worker::parks : task::of_worker::comes_back;
  constexpr conduct rare[] = {conduct::throws, conduct::hangs, conduct::crashes};
  made.does = random_.below(20) == 0 ? rare[random_.below(std::size(rare))] : conduct::returns;
  reach(parks ? state::parked : state::unparked);
  if (made.does != conduct::hangs)
    plan(between(100 * microsecond, 10 * millisecond), kind::run_ends, index, made.run);
}

void world::end_parking(worker_node& node, task const& ended) {
  if (ended.does == conduct::throws) return node.core->finished(now_, ended.key, failure_of(ended), out_);
  node.parked = ended.moves == task::of_worker::parks;
  node.core->finished(now_, ended.key, frame{}, out_);
}

// A worker's first call tells what it was started for.
void world::observe_lease(std::uint32_t index, call_id id) {
  if (how_.needs == 0) return;
  auto& node = workers_[index];
  auto const* const call = find(id);
  if (call == nullptr) return;
  if (!node.needs) node.needs = call->needs;
  if (*node.needs != call->needs) return violated("a worker runs calls that need different ones");
  if (node.parked) violated("a parked worker runs a call");
  auto const& needs = all_needs()[call->needs];
  if (needs.isolate && node.run - node.run_before > 1)
    violated("a worker of an isolated call runs another one");
  if (node.gpus.size() != needs.resources.gpus || node.cores.size() != needs.resources.cores)
    violated("a worker has not what its calls need");
  if (needs.resources.any()) reach(state::leased);
  std::map<std::string, std::uint64_t> shared;
  std::uint64_t memory = 0;
  for (std::uint32_t i = 0; i < workers_.size(); ++i) {
    auto const& other = workers_[i];
    if (other.core == nullptr) continue;
    if (i != index && !other.parked && overlap(node.cores, other.cores))
      violated("two workers have one core");
    if (!other.needs) continue;
    auto const& its = all_needs()[*other.needs].resources;
    memory += its.memory;
    if (other.parked) continue;
    auto const whole = its.gpu_memory == 0 || needs.resources.gpu_memory == 0;
    if (i != index && whole && overlap(node.gpus, other.gpus)) violated("two workers have one GPU");
    for (auto const& gpu : other.gpus)
      if ((shared[gpu] += its.gpu_memory) > of_a_gpu) violated("workers have more of a GPU than there is");
  }
  if (memory > simulated_machine().memory) violated("workers have more memory than there is");
}

}  // namespace yonder::core::simulation
