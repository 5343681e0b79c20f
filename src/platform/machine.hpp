// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace yonder::platform {

// What this process may use of its machine.
struct machine_report {
  struct gpu {
    std::string id;            // as CUDA_VISIBLE_DEVICES names it
    std::uint64_t memory = 0;  // bytes; 0: nobody says
  };
  std::vector<gpu> gpus;  // in the order of the PCI bus
  std::vector<std::uint32_t>
      cores;                 // their numbers, by affinity; as many as the control group's quota lets run
  std::uint64_t memory = 0;  // bytes, as the control group limits it
  std::string remark;        // what was asked for and is not there
};

// By the affinity of the calling thread.
std::vector<std::uint32_t> usable_cores();

// Where that is read.
struct machine_sources {
  std::string root;             // in front of /proc and /sys
  std::string visible_devices;  // as of CUDA_VISIBLE_DEVICES
  bool has_visible_devices = false;
  std::vector<std::string> smi;  // prints the memory of each GPU in MiB, a line each
};
machine_sources machine_sources_here();

// Asks nvidia-smi where the driver has GPUs: that may take a second.
machine_report observe_machine(machine_sources const& from = machine_sources_here());

}  // namespace yonder::platform
