// SPDX-License-Identifier: Apache-2.0
#include "src/platform/machine.hpp"

#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <charconv>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <limits>
#include <optional>
#include <sstream>
#include <system_error>

#include "src/platform/process.hpp"

namespace yonder::platform {
namespace {

namespace files = std::filesystem;

constexpr int patience_ms = 10'000;  // with nvidia-smi

std::optional<std::uint64_t> number_in(std::string_view text) {
  auto const begin = text.find_first_not_of(" \t");
  if (begin == std::string_view::npos) return std::nullopt;
  std::uint64_t value = 0;
  auto const [end, fault] = std::from_chars(text.data() + begin, text.data() + text.size(), value);
  return fault == std::errc() ? std::optional(value) : std::nullopt;
}

std::string first_line(files::path const& file) {
  std::string line;
  std::getline(std::ifstream(file), line);
  return line;
}

// The folders of this process's control group and of those around it, the outermost last; of version 2, or
// of the named controller of version 1.
std::vector<files::path> control_groups(std::string const& root, std::string const& controller) {
  std::vector<files::path> found;
  std::ifstream from(root + "/proc/self/cgroup");
  for (std::string line; std::getline(from, line);) {
    std::istringstream fields(line);
    std::string number, controllers, path;
    if (!std::getline(fields, number, ':') || !std::getline(fields, controllers, ':') ||
        !std::getline(fields, path))
      continue;
    auto const listed = ',' + controllers + ',';
    if (!controllers.empty() && listed.find(',' + controller + ',') == std::string::npos) continue;
    files::path top = root + "/sys/fs/cgroup";
    if (!controllers.empty()) top /= controller;
    for (auto one = files::path(path).relative_path();; one = one.parent_path()) {
      found.push_back(top / one);
      if (one.empty()) break;
    }
  }
  return found;
}

std::uint64_t memory_of(std::string const& root) {
  auto const pages = static_cast<std::uint64_t>(std::max(0L, ::sysconf(_SC_PHYS_PAGES)));
  auto least = pages * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  for (auto const& group : control_groups(root, "memory"))
    for (auto const* file : {"memory.max", "memory.limit_in_bytes"})
      if (auto const limit = number_in(first_line(group / file))) least = std::min(least, *limit);
  return least;
}

// How many cores' time the control groups grant, rounded up.
std::size_t core_quota(std::string const& root) {
  auto least = std::numeric_limits<std::size_t>::max();
  auto const take = [&](std::optional<std::uint64_t> quota, std::optional<std::uint64_t> period) {
    if (quota && period && *period != 0)
      least = std::min<std::size_t>(least, (*quota + *period - 1) / *period);
  };
  for (auto const& group : control_groups(root, "cpu")) {
    auto const both = first_line(group / "cpu.max");
    auto const space = both.find(' ');
    if (space != std::string::npos) take(number_in(both.substr(0, space)), number_in(both.substr(space)));
    take(number_in(first_line(group / "cpu.cfs_quota_us")),
         number_in(first_line(group / "cpu.cfs_period_us")));
  }
  return std::max<std::size_t>(1, least);
}

std::vector<std::uint32_t> cores_of(std::string const& root) {
  auto cores = usable_cores();
  if (auto const quota = core_quota(root); cores.size() > quota) cores.resize(quota);
  return cores;
}

// What a program prints, or as much as came in time.
std::string output_of(std::vector<std::string> const& command) {
  int ends[2];
  if (command.empty() || ::pipe2(ends, O_CLOEXEC) != 0) return {};
  unique_fd readable(ends[0]);
  unique_fd writable(ends[1]);
  std::string text;
  try {
    auto const child =
        spawn({.path = command.front(), .arguments = command, .environment = {}, .output = writable.get()});
    writable.reset();
    auto const until = now() + std::int64_t{patience_ms} * 1'000'000;
    for (char part[4096];;) {
      pollfd wait{readable.get(), POLLIN, 0};
      auto const left = static_cast<int>((until - now()) / 1'000'000);
      if (left <= 0 || ::poll(&wait, 1, left) <= 0) break;
      auto const count = ::read(readable.get(), part, sizeof part);
      if (count <= 0) break;
      text.append(part, static_cast<std::size_t>(count));
    }
    child.kill(SIGKILL);
    child.wait();
  } catch (std::system_error const&) {  // it is not there
  }
  return text;
}

std::vector<machine_report::gpu> all_gpus(machine_sources const& from) {
  std::vector<machine_report::gpu> found;
  std::error_code ignored;
  for ([[maybe_unused]] auto const& one :
       files::directory_iterator(from.root + "/proc/driver/nvidia/gpus", ignored))
    found.push_back({std::to_string(found.size())});
  if (found.empty()) return found;
  std::istringstream lines(output_of(from.smi));
  std::string line;
  for (auto& one : found)
    if (std::getline(lines, line)) one.memory = number_in(line).value_or(0) << 20;
  return found;
}

// As CUDA reads the variable: what follows the first device that is not there is not seen.
std::vector<machine_report::gpu> visible(std::vector<machine_report::gpu> const& all,
                                         std::string const& wanted, std::string& remark) {
  std::vector<machine_report::gpu> seen;
  std::istringstream names(wanted);
  for (std::string name; std::getline(names, name, ',');) {
    auto const index = number_in(name);
    if (name.starts_with("GPU-") || name.starts_with("MIG-")) {
      seen.push_back({name});
    } else if (index && *index < all.size()) {
      seen.push_back(all[*index]);
    } else {
      if (!name.empty())
        remark = "CUDA_VISIBLE_DEVICES names " + name + ", which is not one of the " +
                 std::to_string(all.size()) + " GPUs, counted from 0";
      break;
    }
  }
  return seen;
}

}  // namespace

std::vector<std::uint32_t> usable_cores() {
  std::vector<std::uint32_t> cores;
  for (std::size_t most = CPU_SETSIZE; most <= CPU_SETSIZE * 64; most *= 4) {
    auto* const set = CPU_ALLOC(most);
    auto const size = CPU_ALLOC_SIZE(most);
    if (::sched_getaffinity(0, size, set) == 0) {
      for (std::uint32_t i = 0; i < most; ++i)
        if (CPU_ISSET_S(i, size, set)) cores.push_back(i);
      most = CPU_SETSIZE * 64;
    }
    CPU_FREE(set);
  }
  return cores;
}

machine_sources machine_sources_here() {
  auto const* const visible = std::getenv("CUDA_VISIBLE_DEVICES");
  return {.root = {},
          .visible_devices = visible == nullptr ? "" : visible,
          .has_visible_devices = visible != nullptr,
          .smi = {"nvidia-smi", "--query-gpu=memory.total", "--format=csv,noheader,nounits"}};
}

machine_report observe_machine(machine_sources const& from) {
  machine_report seen;
  seen.gpus = all_gpus(from);
  if (from.has_visible_devices) seen.gpus = visible(seen.gpus, from.visible_devices, seen.remark);
  seen.cores = cores_of(from.root);
  seen.memory = memory_of(from.root);
  return seen;
}

}  // namespace yonder::platform
