// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <array>
#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "cuda/accelerator.hpp"
#include "cuda/lane.hpp"
#include "cuda/slots.hpp"

namespace yonder::kernels::cuda {

// Two batches may be in flight: while the GPU computes one, the host prepares the other. With `warm_up` a
// thread of its own prepares the graphs of usual buckets beside the calls, small ones first, a bucket at a
// time.
template <class T>
class gpu_model final : public accelerator {
 public:
  gpu_model(weight_files const& files, encoder_config const& config, model_task const& task, unsigned index,
            bool warm_up, run_manner const& manner = {});
  ~gpu_model() override;

  std::vector<float> run(batch_source const& batch) override;
  std::size_t result_width() const noexcept override { return model_.result_width(); }
  std::string device_name() const override { return device_.name; }

  // For measurements, while no call runs and nothing warms up.
  lane<T>& first_lane() noexcept { return *lanes_.front(); }

 private:
  static constexpr std::size_t lane_count = 2;

  void check_usable();
  void lose(std::string const& why);
  std::vector<float> run_part(std::size_t lane, batch_source const& batch);
  void warm_up() noexcept;

  int index_;
  device_properties device_;
  encoder_config config_;
  model_parts<T> parts_;
  device_block weights_;
  placed_model<T> model_;
  std::array<std::unique_ptr<lane<T>>, lane_count> lanes_;
  slots<lane_count> free_;

  std::mutex mutex_;
  std::string lost_;  // why the device is gone, once it is
  std::atomic<bool> ending_ = false;
  std::thread warming_;
};

}  // namespace yonder::kernels::cuda
