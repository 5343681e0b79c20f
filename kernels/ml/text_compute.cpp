// SPDX-License-Identifier: Apache-2.0
#include "ml/text_compute.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>

#include "cpu/heads.hpp"
#include "cuda/accelerator.hpp"
#include "yonder/ml/errors.hpp"

namespace yonder::kernels {
namespace {

char const* name_of(ml::precision precision) {
  switch (precision) {
    case ml::precision::fp32: return "fp32";
    case ml::precision::bf16: return "bf16";
    case ml::precision::fp16: return "fp16";
    case ml::precision::int8: break;
  }
  return "int8";
}

class cpu_compute final : public text_compute {
 public:
  cpu_compute(weight_files const& files, encoder_config const& config, model_task task,
              cpu::compute_options const& options, std::string why_here)
      : encoder_(files, config, cpu::best_kernels(), options),
        task_(std::move(task)),
        placement_(std::string("CPU, ") + name_of(options.precision) + why_here) {
    auto const& kernels = cpu::best_kernels();
    if (task_.of_each_token()) {
      token_head_.emplace(files, config, task_.token_layer, *task_.labels, kernels, encoder_.workers());
    } else if (task_.labels) {
      head_.emplace(files, config, *task_.labels, kernels, encoder_.workers());
    }
  }

  std::vector<float> operator()(cpu::token_batch const& batch) const override {
    auto const hidden = encoder_(batch);
    if (token_head_) return (*token_head_)(hidden);
    return head_ ? (*head_)(batch, hidden) : pool(batch, hidden);
  }
  std::size_t tokens_at_once() const noexcept override { return 2048; }
  std::string placement() const override { return placement_; }

 private:
  std::vector<float> pool(cpu::token_batch const& batch, std::span<float const> hidden) const {
    std::size_t const width = encoder_.config().hidden;
    std::vector<float> rows(batch.sequences() * task_.width(width));
    float* to = rows.data();
    for (std::size_t i = 0; i < batch.sequences(); ++i) {
      for (auto const mode : task_.pooling) {
        cpu::pool(mode, hidden.data() + batch.starts[i] * width, batch.starts[i + 1] - batch.starts[i], width,
                  batch.skipped, to);
        to += width;
      }
    }
    return rows;
  }

  cpu::encoder encoder_;
  model_task task_;
  std::string placement_;
  std::optional<cpu::classification_head> head_;
  std::optional<cpu::token_head> token_head_;
};

class gpu_compute final : public text_compute {
 public:
  gpu_compute(std::unique_ptr<cuda::accelerator> gpu, std::string placement)
      : gpu_(std::move(gpu)), placement_(std::move(placement)) {}

  std::vector<float> operator()(cpu::token_batch const& batch) const override {
    return gpu_->run({batch.ids, batch.type_ids, batch.starts, batch.skipped});
  }
  // Sixteen waves of tiles (cuda/batch.cpp).
  std::size_t tokens_at_once() const noexcept override { return 16'896; }
  std::string placement() const override { return placement_; }

 private:
  std::unique_ptr<cuda::accelerator> gpu_;
  std::string placement_;
};

cuda::number_format format_of(ml::text_options const& options) {
  switch (options.compute.value_or(ml::precision::bf16)) {
    case ml::precision::bf16: return cuda::number_format::bf16;
    case ml::precision::fp16: return cuda::number_format::f16;
    case ml::precision::fp32:
    case ml::precision::int8: break;
  }
  throw std::invalid_argument("text_options::compute is fp32 or int8; a GPU has bf16 and fp16");
}

std::unique_ptr<text_compute const> on_gpu(weight_files const& files, encoder_config const& config,
                                           model_task const& task, ml::text_options const& options) {
  auto const format = format_of(options);
  auto gpu = cuda::load_accelerator(files, config, task, format, options.device.index);
  std::string placement = "cuda:" + std::to_string(options.device.index) + " (" + gpu->device_name() + "), " +
                          name_of(options.compute.value_or(ml::precision::bf16));
  return std::make_unique<gpu_compute>(std::move(gpu), std::move(placement));
}

std::unique_ptr<text_compute const> on_cpu(weight_files const& files, encoder_config const& config,
                                           model_task const& task, ml::text_options const& options,
                                           std::string const& why_here) {
  auto const precision = options.compute.value_or(ml::precision::fp32);
  if (precision == ml::precision::fp16) {
    throw std::invalid_argument("text_options::compute is fp16; the CPU has fp32, bf16 and int8");
  }
  return std::make_unique<cpu_compute>(files, config, task, cpu::compute_options{precision, options.threads},
                                       why_here);
}

bool gpu_has(std::optional<ml::precision> precision) {
  return precision != ml::precision::fp32 && precision != ml::precision::int8;
}

}  // namespace

std::unique_ptr<text_compute const> make_compute(weight_files const& files, encoder_config const& config,
                                                 model_task const& task, ml::text_options const& options) {
  std::string why_here;  // though there is a GPU
  switch (options.device.where) {
    case ml::device::kind::cuda: return on_gpu(files, config, task, options);
    case ml::device::kind::automatic:
      if (gpu_has(options.compute) && !cuda::why_unavailable(options.device.index)) {
        try {
          return on_gpu(files, config, task, options);
        } catch (ml::unsupported_model const& error) {  // of a shape that the CPU runs
          why_here = error.what();
        } catch (ml::gpu_out_of_memory const& error) {
          why_here = error.what();
        } catch (ml::gpu_unavailable const& error) {  // taken by another process, say
          why_here = error.what();
        }
        why_here = ", as cuda:" + std::to_string(options.device.index) + " cannot: " + why_here;
      }
      break;
    case ml::device::kind::cpu: break;
  }
  return on_cpu(files, config, task, options, why_here);
}

}  // namespace yonder::kernels
