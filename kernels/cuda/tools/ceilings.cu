// SPDX-License-Identifier: Apache-2.0
#include <algorithm>
#include <stdexcept>
#include <vector>

#include "cuda/execution.cuh"
#include "cuda/tools/ceilings.hpp"

namespace yonder::kernels::cuda {
namespace {

constexpr int rounds = 9;
constexpr int launches = 1000;
constexpr std::size_t copied_bytes = std::size_t{2} << 30;

YONDER_KERNEL void empty_kernel() {
  griddepcontrol_wait();
  griddepcontrol_launch_dependents();
}

// All blocks must be on the device at once: where one never arrives, the others trap after two seconds.
// `counter` grows by the number of blocks at each barrier.
YONDER_KERNEL void barrier_kernel(unsigned* counter, int barriers) {
  for (int i = 1; i <= barriers; ++i) {
    sync_block();
    if (thread_index() == 0) {
      publish(counter);
      unsigned const expected = static_cast<unsigned>(i) * grid_x();
      std::uint64_t const begin = global_nanoseconds();
      while (*static_cast<unsigned volatile*>(counter) < expected) {
        if (global_nanoseconds() - begin > longest_wait) __trap();
      }
      __threadfence();
    }
    sync_block();
  }
}

// Microseconds of one call of `enqueue`: the median.
template <class Enqueue>
double median_time(gpu_stream const& stream, Enqueue const& enqueue) {
  gpu_event const begin;
  gpu_event const end;
  std::vector<double> times;
  for (int i = 0; i <= rounds; ++i) {
    begin.record(stream.get());
    enqueue();
    end.record(stream.get());
    double const time = end.since(begin);
    if (i != 0) times.push_back(time);
  }
  std::nth_element(times.begin(), times.begin() + rounds / 2, times.end());
  return times[rounds / 2];
}

void launch_empty(gpu_stream const& stream, bool overlap) {
  cudaLaunchAttribute attribute{};
  attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  attribute.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = dim3(1);
  config.blockDim = dim3(32);
  config.stream = stream.get();
  config.attrs = &attribute;
  config.numAttrs = overlap ? 1 : 0;
  check(cudaLaunchKernelEx(&config, empty_kernel), "launching a kernel");
}

double node_time(gpu_stream const& stream, bool overlap) {
  auto const nodes = capture(stream.get(), [&] {
    for (int i = 0; i < launches; ++i) launch_empty(stream, overlap && i != 0);
  });
  return median_time(stream,
                     [&] { check(cudaGraphLaunch(nodes.get(), stream.get()), "launching a graph"); }) /
         launches;
}

double launch_time(gpu_stream const& stream) {
  return median_time(stream,
                     [&] {
                       for (int i = 0; i < launches; ++i) launch_empty(stream, false);
                     }) /
         launches;
}

double copy_rate(gpu_stream const& stream) {
  auto const from = allocate_on_device(copied_bytes);
  auto const to = allocate_on_device(copied_bytes);
  check(cudaMemsetAsync(from.get(), 0x5a, copied_bytes, stream.get()), "filling memory");
  double const time = median_time(stream, [&] {
    check(cudaMemcpyAsync(to.get(), from.get(), copied_bytes, cudaMemcpyDeviceToDevice, stream.get()),
          "copying");
  });
  return 2e-6 * static_cast<double>(copied_bytes) / time;
}

double barrier_time(gpu_stream const& stream, int blocks) {
  auto const counter = allocate_on_device(sizeof(unsigned));
  auto* const count = reinterpret_cast<unsigned*>(counter.get());
  double const time = median_time(stream, [&] {
    check(cudaMemsetAsync(count, 0, sizeof(unsigned), stream.get()), "clearing memory");
    barrier_kernel<<<static_cast<unsigned>(blocks), 128, 0, stream.get()>>>(count, launches);
    check(cudaGetLastError(), "launching a kernel");
  });
  return time / launches;
}

}  // namespace

rate measure_rate(std::string const& name, gpu_stream const& stream, device_properties const& device) {
  if (name == "copy") return {"device-to-device copy, bytes read and written", "TB/s", copy_rate(stream)};
  if (name == "launch") return {"launch of an empty kernel", "us", launch_time(stream)};
  if (name == "node") return {"node of a graph", "us", node_time(stream, false)};
  if (name == "dependent") return {"node of a graph, dependent launch", "us", node_time(stream, true)};
  if (name == "barrier") return {"barrier of the grid", "us", barrier_time(stream, device.multiprocessors)};
  throw std::invalid_argument("rate copy|launch|node|dependent|barrier|matrix");
}

}  // namespace yonder::kernels::cuda
