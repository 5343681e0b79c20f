// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "cuda/cublaslt.hpp"
#include "cuda/device.hpp"
#include "cuda/forward.hpp"
#include "cuda/launch.hpp"

namespace yonder::kernels::cuda {

// How a lane runs what it prepared.
struct run_manner {
  bool dependent_launch = true;  // where the GPU has it
  bool graphs = true;
};

// What one batch in flight needs beside the weights: a stream, memory, graphs. Memory is allocated when the
// lane is made, for `usual_tokens`, and when a batch is larger than all before. Each bucket has its graph,
// built when it is first prepared; the algorithms of its products are chosen then. Not thread-safe; its
// device is the thread's.
template <class T>
class lane {
 public:
  static constexpr std::size_t usual_tokens = 16'896;  // what text_model sends at once

  // `model` must live as long.
  lane(placed_model<T> const& model, device_properties const& device, run_manner const& manner);

  // [sequences][result_width]. Throws ml::gpu_error.
  std::vector<float> run(batch_source const& batch);

  // What `run` does, apart: `prepare` once, then `enqueue` and `finish`.
  struct prepared {
    bucket size;
    packed_batch on_host{};
    packed_batch on_device{};
    activations<T> at{};
    std::size_t batch_bytes = 0;
    gpu_graph replay;  // null: without graphs
  };
  prepared& prepare(batch_source const& batch);
  void enqueue(prepared const& how);
  std::vector<float> finish(std::size_t results);
  // As `enqueue` does it without a graph.
  void launch(prepared const& how, operators<T>& on);
  // So that a batch of so many tokens finds its graph. Nothing where that needs more memory than there was
  // for the usual batch.
  void warm_up(std::size_t tokens);
  void free_caches() noexcept;

  gpu_operators<T>& own_operators() noexcept { return operators_; }
  gpu_stream const& stream() const noexcept { return stream_; }
  // Why its graphs do without dependent launch, where they were to have it.
  std::optional<std::string> const& without_dependent_launch() const noexcept { return trouble_; }

 private:
  prepared& ready_for(batch_source const& batch);
  void fill(prepared const& how, batch_source const& batch) const;
  void grow(bucket const& size);
  prepared lay_out(bucket const& size) const;
  void tune(prepared const& how);
  gpu_graph capture_forward(prepared const& how);

  placed_model<T> const& model_;
  run_manner manner_;
  std::optional<std::string> trouble_;
  gpu_stream stream_;
  device_block workspace_;
  products<T> products_;
  gpu_operators<T> operators_;

  bucket capacity_;
  device_block memory_;  // the arena of batches and activations
  pinned_block host_batch_;
  pinned_block results_;
  std::map<std::uint32_t, prepared> prepared_;  // by rows
};

}  // namespace yonder::kernels::cuda
