// SPDX-License-Identifier: Apache-2.0
#include "src/core/resources.hpp"

#include "src/core/check.hpp"
#include "src/core/mutant.hpp"

#include <algorithm>
#include <tuple>
#include <utility>

namespace yonder::core {
namespace {

// "80 GiB", "512 MiB", "17 bytes"
std::string size_in_words(std::uint64_t bytes) {
  constexpr std::pair<std::uint64_t, char const*> units[] = {
      {std::uint64_t{1} << 30, " GiB"}, {std::uint64_t{1} << 20, " MiB"}, {std::uint64_t{1} << 10, " KiB"}};
  for (auto const& [size, name] : units) {
    if (bytes < size) continue;
    auto const tenths = bytes / (size / 10);
    auto const rest = tenths % 10 == 0 ? "" : "." + std::to_string(tenths % 10);
    return std::to_string(tenths / 10) + rest + name;
  }
  return std::to_string(bytes) + " bytes";
}

}  // namespace

std::string in_words(resource_needs const& needs) {
  std::string text;
  auto const add = [&](char const* name, std::string const& value) {
    text += (text.empty() ? "" : ", ") + std::string(name) + " = " + value;
  };
  if (needs.gpus != 0) add("gpu", std::to_string(needs.gpus));
  if (needs.gpu_memory != 0) add("gpu_memory", size_in_words(needs.gpu_memory));
  if (needs.cores != 0) add("cpu", std::to_string(needs.cores));
  if (needs.memory != 0) add("memory", size_in_words(needs.memory));
  return text;
}

resource_ledger::resource_ledger(core::machine has)
    : has_(std::move(has)), gpus_(has_.gpus.size()), cores_(has_.cores.size()) {}

std::string resource_ledger::in_words() const {
  auto text = "; there " + std::string(has_.gpus.size() == 1 ? "is " : "are ") +
              (has_.gpus.empty() ? "no" : std::to_string(has_.gpus.size())) +
              (has_.gpus.size() == 1 ? " GPU" : " GPUs");
  for (std::size_t i = 0; i < has_.gpus.size(); ++i) {
    auto const& one = has_.gpus[i];
    text += (i == 0 ? " (" : ", ") + one.id + ": " +
            (one.memory == 0 ? "memory unknown" : size_in_words(one.memory));
  }
  if (!has_.gpus.empty()) text += ")";
  text += ", " + std::to_string(has_.cores.size()) + (has_.cores.size() == 1 ? " core" : " cores") + " and " +
          size_in_words(has_.memory) + " of memory";
  return text + (has_.remark.empty() ? "" : "; " + has_.remark);
}

std::string resource_ledger::unsatisfiable(resource_needs const& needs) const {
  auto const wants = [](std::string const& what) { return "each worker is to have " + what; };
  if (needs.gpus > has_.gpus.size()) return wants("gpu = " + std::to_string(needs.gpus)) + in_words();
  auto const large_enough = [&](machine::gpu const& one) { return one.memory >= needs.gpu_memory; };
  auto const fitting = std::count_if(has_.gpus.begin(), has_.gpus.end(), large_enough);
  if (static_cast<std::uint64_t>(fitting) < needs.gpus)
    return wants("gpu_memory = " + size_in_words(needs.gpu_memory) +
                 " of gpu = " + std::to_string(needs.gpus)) +
           in_words();
  if (needs.cores > has_.cores.size()) return wants("cpu = " + std::to_string(needs.cores)) + in_words();
  if (needs.memory > has_.memory) return wants("memory = " + size_in_words(needs.memory)) + in_words();
  return {};
}

bool resource_ledger::has_room(std::size_t gpu, resource_needs const& needs) const {
  auto const& use = gpus_[gpu];
  if (YONDER_MUTANT(gpus_overbooked)) return true;
  if (needs.gpu_memory == 0) return use.holders == 0;
  auto const all = has_.gpus[gpu].memory;
  return !use.whole && needs.gpu_memory <= all && use.memory <= all - needs.gpu_memory;
}

// GPUs that are shared already come first, the fullest of them, so that others stay whole.
std::optional<resource_lease> resource_ledger::find(resource_needs const& needs) const {
  if (needs.memory > has_.memory - std::min(memory_, has_.memory)) return std::nullopt;
  resource_lease made;
  made.needs = needs;
  for (std::uint32_t i = 0; i < gpus_.size(); ++i)
    if (needs.gpus != 0 && has_room(i, needs)) made.gpus.push_back(i);
  if (made.gpus.size() < needs.gpus) return std::nullopt;
  std::stable_sort(made.gpus.begin(), made.gpus.end(),
                   [&](auto a, auto b) { return gpus_[a].memory > gpus_[b].memory; });
  made.gpus.resize(needs.gpus);
  std::sort(made.gpus.begin(), made.gpus.end());
  for (std::size_t i = 0; i < cores_.size() && made.cores.size() < needs.cores; ++i)
    if (cores_[i] == 0) made.cores.push_back(has_.cores[i]);
  if (made.cores.size() < needs.cores) return std::nullopt;
  return made;
}

std::optional<resource_lease> resource_ledger::take(resource_needs const& needs) {
  auto made = find(needs);
  if (made) count(*made, true);
  return made;
}

void resource_ledger::reserve(resource_needs const& needs) {
  std::vector<std::size_t> gpus;
  for (std::size_t i = 0; i < gpus_.size(); ++i)
    if (needs.gpus != 0 && has_.gpus[i].memory >= needs.gpu_memory) gpus.push_back(i);
  std::stable_sort(gpus.begin(), gpus.end(), [&](auto a, auto b) {
    return std::tuple(!has_room(a, needs), gpus_[a].memory) <
           std::tuple(!has_room(b, needs), gpus_[b].memory);
  });
  gpus.resize(std::min<std::size_t>(gpus.size(), needs.gpus));
  for (auto const place : gpus) {
    ++gpus_[place].holders;
    gpus_[place].whole = true;
  }
  auto left = needs.cores;
  for (auto& core : cores_)
    if (left != 0 && core == 0) core = left-- != 0 ? 1 : 0;
  memory_ += std::min(needs.memory, has_.memory - std::min(memory_, has_.memory));
}

void resource_ledger::hold(resource_lease const& lease) { count(lease, true); }

void resource_ledger::give_back(resource_lease const& lease) {
  if (YONDER_MUTANT(lease_leaked)) return;
  count(lease, false);
}

void resource_ledger::give_back_cores(resource_lease& lease) {
  if (std::exchange(lease.without_cores, true)) return;
  count_cores(lease, false);
}

void resource_ledger::take_back_cores(resource_lease& lease) {
  if (!std::exchange(lease.without_cores, false)) return;
  count_cores(lease, true);
}

void resource_ledger::set_aside(resource_lease& lease) {
  give_back_cores(lease);
  if (!std::exchange(lease.without_gpus, true)) count_gpus(lease, false);
}

bool resource_ledger::could_go_on(resource_lease const& lease) const {
  if (YONDER_MUTANT(parked_lease_assumed)) return true;
  auto const has = [&](auto place) { return has_room(place, lease.needs); };
  auto const is_free = [&](auto number) { return cores_[place_of_core(number)] == 0; };
  return std::all_of(lease.gpus.begin(), lease.gpus.end(), has) &&
         std::all_of(lease.cores.begin(), lease.cores.end(), is_free);
}

void resource_ledger::go_on(resource_lease& lease) {
  take_back_cores(lease);
  if (std::exchange(lease.without_gpus, false)) count_gpus(lease, true);
}

std::size_t resource_ledger::place_of_core(std::uint32_t number) const {
  return static_cast<std::size_t>(std::find(has_.cores.begin(), has_.cores.end(), number) -
                                  has_.cores.begin());
}

void resource_ledger::count(resource_lease const& lease, bool held) {
  if (!lease.without_gpus) count_gpus(lease, held);
  YONDER_CHECK(held || memory_ >= lease.needs.memory, "more memory is given back than was taken");
  memory_ += held ? lease.needs.memory : ~lease.needs.memory + 1;
  if (!lease.without_cores) count_cores(lease, held);
}

void resource_ledger::count_gpus(resource_lease const& lease, bool held) {
  for (auto const place : lease.gpus) {
    auto& use = gpus_[place];
    YONDER_CHECK(held || use.holders != 0, "a GPU is given back that nobody has");
    use.holders += held ? 1 : std::uint32_t(-1);
    if (lease.needs.gpu_memory == 0) use.whole = held;
    use.memory += held ? lease.needs.gpu_memory : ~lease.needs.gpu_memory + 1;
  }
}

std::vector<gpu_census> resource_ledger::gpus() const {
  std::vector<gpu_census> seen;
  for (std::size_t i = 0; i < gpus_.size(); ++i)
    if (auto const all = has_.gpus[i].memory; all != 0)
      seen.push_back({has_.gpus[i].id, all, gpus_[i].whole ? all : gpus_[i].memory});
  return seen;
}

std::uint64_t resource_ledger::gpu_memory_of(resource_lease const& lease) const {
  std::uint64_t all = 0;
  if (lease.without_gpus) return all;
  for (auto const place : lease.gpus)
    all += lease.needs.gpu_memory != 0 ? lease.needs.gpu_memory : has_.gpus[place].memory;
  return all;
}

void resource_ledger::count_cores(resource_lease const& lease, bool held) {
  for (auto const number : lease.cores) {
    auto& holders = cores_[place_of_core(number)];
    YONDER_CHECK(held || holders != 0, "a core is given back that nobody has");
    holders += held ? 1 : std::uint32_t(-1);
  }
}

}  // namespace yonder::core
