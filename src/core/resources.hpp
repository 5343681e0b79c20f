// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace yonder::core {

// What one worker is given for itself. 0: nothing is asked for.
struct resource_needs {
  std::uint32_t gpus = 0;
  std::uint64_t gpu_memory = 0;  // bytes, on each of them, which may then be shared; 0: all of it
  std::uint32_t cores = 0;
  std::uint64_t memory = 0;  // bytes

  bool any() const noexcept { return gpus != 0 || cores != 0 || memory != 0; }
  friend bool operator==(resource_needs const&, resource_needs const&) = default;
};

// "gpu = 1, gpu_memory = 20 GiB"; empty: nothing.
std::string in_words(resource_needs const& needs);

// What there is to be given.
struct machine {
  struct gpu {
    std::string id;            // as CUDA_VISIBLE_DEVICES names it
    std::uint64_t memory = 0;  // bytes; 0: not known
  };
  std::vector<gpu> gpus;
  std::vector<std::uint32_t> cores;  // their numbers
  std::uint64_t memory = 0;          // bytes
  std::string remark;                // of what is not there, and why
};

// What a GPU has, in bytes.
struct gpu_census {
  std::string id;  // as CUDA_VISIBLE_DEVICES names it
  std::uint64_t memory = 0;
  std::uint64_t leased = 0;  // to workers
};

struct resource_lease {
  std::vector<std::uint32_t> gpus;  // places in machine::gpus
  std::vector<std::uint32_t> cores;
  resource_needs needs;
  bool without_cores = false;  // they are given back for now
  bool without_gpus = false;   // likewise
};

// Who has what of a machine.
class resource_ledger {
 public:
  explicit resource_ledger(core::machine has);

  core::machine const& has() const noexcept { return has_; }
  // Those whose memory is known.
  std::vector<gpu_census> gpus() const;
  // What that has of their memory, as far as it is known.
  std::uint64_t gpu_memory_of(resource_lease const& lease) const;

  // Why this can never be given, in words that say what there is; empty: it can.
  std::string unsatisfiable(resource_needs const& needs) const;

  bool fits(resource_needs const& needs) const { return find(needs).has_value(); }
  // Not given: others have too much of it.
  std::optional<resource_lease> take(resource_needs const& needs);
  // Nobody else is given some of this, as far as it is not given away already.
  void reserve(resource_needs const& needs);
  // Though others may have its cores.
  void hold(resource_lease const& lease);
  void give_back(resource_lease const& lease);
  // Its worker computes nothing for now, or goes on, though others may have its cores.
  void give_back_cores(resource_lease& lease);
  void take_back_cores(resource_lease& lease);
  // It has nothing on its GPUs for now, and computes nothing; or goes on with the same ones and the same
  // cores, if others have not too much of them.
  void set_aside(resource_lease& lease);
  bool could_go_on(resource_lease const& lease) const;
  void go_on(resource_lease& lease);

 private:
  struct gpu_use {
    std::uint32_t holders = 0;
    bool whole = false;        // nobody else may have some
    std::uint64_t memory = 0;  // of the others
  };

  std::optional<resource_lease> find(resource_needs const& needs) const;
  bool has_room(std::size_t gpu, resource_needs const& needs) const;
  void count(resource_lease const& lease, bool held);
  std::size_t place_of_core(std::uint32_t number) const;
  void count_cores(resource_lease const& lease, bool held);
  void count_gpus(resource_lease const& lease, bool held);
  std::string in_words() const;

  core::machine has_;
  std::vector<gpu_use> gpus_;
  std::vector<std::uint32_t> cores_;  // how many have it
  std::uint64_t memory_ = 0;          // that somebody has
};

}  // namespace yonder::core
