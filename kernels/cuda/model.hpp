// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "cuda/accelerator.hpp"
#include "cuda/cublaslt.hpp"
#include "cuda/device.hpp"
#include "cuda/forward.hpp"
#include "cuda/launch.hpp"

namespace yonder::kernels::cuda {

// Memory is allocated when a model is loaded, and when a batch is larger than all before; not for each call.
// Each bucket has its graph, built when its first batch comes: the algorithms of its products are timed then.
template <class T>
class gpu_model final : public accelerator {
 public:
  gpu_model(weight_files const& files, encoder_config const& config, model_task const& task, unsigned index);

  std::vector<float> run(batch_source const& batch) override;
  std::size_t result_width() const noexcept override { return model_.result_width(); }
  std::string device_name() const override { return device_.name; }

  // What a call does, apart, for measurements: `prepare` once, then `enqueue` and `finish`. Not thread-safe.
  struct prepared;
  prepared& prepare(batch_source const& batch);
  void enqueue(prepared const& how);
  std::vector<float> finish(std::size_t sequences);
  // As `enqueue` does it without a graph.
  void launch(prepared const& how, operators<T>& on);
  gpu_operators<T>& own_operators() noexcept { return operators_; }
  gpu_stream const& stream() const noexcept { return stream_; }

  struct prepared {
    bucket size;
    packed_batch on_host{};
    packed_batch on_device{};
    activations<T> at{};
    std::size_t batch_bytes = 0;
    gpu_graph replay;  // null: CUDA could not capture it, and each call launches the kernels anew
  };

 private:
  void run_part(batch_source const& batch, std::vector<float>& results);
  prepared& ready_for(batch_source const& batch);
  void fill(prepared const& how, batch_source const& batch) const;
  void grow(bucket const& size);
  prepared lay_out(bucket const& size);
  void tune(prepared const& how);
  void free_caches() noexcept;

  std::mutex mutex_;
  std::string lost_;  // why the device is gone, once it is
  int index_;
  device_properties device_;
  encoder_config config_;
  gpu_stream stream_;
  model_parts<T> parts_;
  device_block weights_;
  device_block workspace_;
  products<T> products_;
  placed_model<T> model_;
  gpu_operators<T> operators_;

  bucket capacity_;
  device_block memory_;  // the arena of batches and activations
  pinned_block host_batch_;
  pinned_block results_;
  std::map<std::uint32_t, prepared> prepared_;  // by rows
};

}  // namespace yonder::kernels::cuda
