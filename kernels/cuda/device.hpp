// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <exception>
#include <memory>
#include <string>
#include <type_traits>

#include "cuda/errors.hpp"

namespace yonder::kernels::cuda {

// Throws the ml::gpu_error of `code`.
inline void check(cudaError_t code, std::string const& what) {
  if (code == cudaSuccess) return;
  cudaGetLastError();  // what can be taken back is
  raise(static_cast<int>(code), cudaGetErrorName(code), what);
}

struct device_properties {
  std::string name;
  int major = 0;
  int minor = 0;
  int multiprocessors = 0;
};

// Makes `index` the device of this thread. Throws ml::gpu_unavailable where it is none that runs the kernels.
device_properties use_device(int index);

struct device_deleter {
  void operator()(std::byte* block) const noexcept { cudaFree(block); }
};
struct pinned_deleter {
  void operator()(std::byte* block) const noexcept { cudaFreeHost(block); }
};

using device_block = std::unique_ptr<std::byte, device_deleter>;
using pinned_block = std::unique_ptr<std::byte, pinned_deleter>;  // kernels may write there

// Throw ml::gpu_out_of_memory.
device_block allocate_on_device(std::size_t bytes);
pinned_block allocate_pinned(std::size_t bytes);

class gpu_stream {
 public:
  gpu_stream() { check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "creating a stream"); }
  gpu_stream(gpu_stream const&) = delete;
  gpu_stream& operator=(gpu_stream const&) = delete;
  ~gpu_stream() { cudaStreamDestroy(stream_); }

  cudaStream_t get() const noexcept { return stream_; }
  void wait() const { check(cudaStreamSynchronize(stream_), "waiting for the GPU"); }

 private:
  cudaStream_t stream_ = nullptr;
};

class gpu_event {
 public:
  gpu_event() { check(cudaEventCreate(&event_), "creating an event"); }
  gpu_event(gpu_event const&) = delete;
  gpu_event& operator=(gpu_event const&) = delete;
  ~gpu_event() { cudaEventDestroy(event_); }

  void record(cudaStream_t stream) const { check(cudaEventRecord(event_, stream), "recording an event"); }
  // Waits for this event. In microseconds.
  double since(gpu_event const& before) const {
    check(cudaEventSynchronize(event_), "waiting for an event");
    float milliseconds = 0.0F;
    check(cudaEventElapsedTime(&milliseconds, before.event_, event_), "reading a time");
    return 1e3 * static_cast<double>(milliseconds);
  }

 private:
  cudaEvent_t event_ = nullptr;
};

struct graph_deleter {
  void operator()(cudaGraphExec_t graph) const noexcept { cudaGraphExecDestroy(graph); }
};
using gpu_graph = std::unique_ptr<std::remove_pointer_t<cudaGraphExec_t>, graph_deleter>;

struct captured_deleter {
  void operator()(cudaGraph_t graph) const noexcept { cudaGraphDestroy(graph); }
};

// What `enqueue` puts on the stream, as one graph. Throws the ml::gpu_error of what CUDA said, or what
// `enqueue` throws; the stream is then as before.
template <class Enqueue>
gpu_graph capture(cudaStream_t stream, Enqueue const& enqueue) {
  check(cudaStreamBeginCapture(stream, cudaStreamCaptureModeThreadLocal), "beginning to capture a graph");
  std::exception_ptr failure;
  try {
    enqueue();
  } catch (...) {
    failure = std::current_exception();
  }
  cudaGraph_t graph = nullptr;
  cudaError_t const ended = cudaStreamEndCapture(stream, &graph);
  std::unique_ptr<std::remove_pointer_t<cudaGraph_t>, captured_deleter> const captured(graph);
  if (failure) {
    cudaGetLastError();
    std::rethrow_exception(failure);
  }
  check(ended, "capturing a graph");
  cudaGraphExec_t ready = nullptr;
  check(cudaGraphInstantiate(&ready, graph, 0), "making a graph ready");
  return gpu_graph(ready);
}

}  // namespace yonder::kernels::cuda
