// SPDX-License-Identifier: Apache-2.0
#include "cuda/model.hpp"

#include <csignal>

namespace yonder::kernels::cuda {
namespace {

// cudaMemcpy() from pageable memory may return before the last bytes are there, and the lanes' streams wait
// for no other.
template <class T>
device_block upload(model_parts<T>& parts) {
  auto block = allocate_on_device(parts.bytes.size());
  check(cudaMemcpy(block.get(), parts.bytes.data(), parts.bytes.size(), cudaMemcpyHostToDevice),
        "copying the weights to the GPU");
  check(cudaStreamSynchronize(nullptr), "waiting for the weights");
  parts.bytes = {};
  return block;
}

bool fits_one_bucket(batch_source const& batch) {
  return batch.tokens() <= most_tokens && batch.sequences() * 4 <= most_tokens;
}

class signals_blocked {
 public:
  signals_blocked() {
    sigset_t all;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  signals_blocked(signals_blocked const&) = delete;
  signals_blocked& operator=(signals_blocked const&) = delete;
  ~signals_blocked() { pthread_sigmask(SIG_SETMASK, &before_, nullptr); }

 private:
  sigset_t before_;
};

// Signals are for the threads of the program.
template <class Work>
std::thread start_thread(Work const& work) {
  signals_blocked const meanwhile;
  return std::thread(work);
}

}  // namespace

template <class T>
gpu_model<T>::gpu_model(weight_files const& files, encoder_config const& config, model_task const& task,
                        unsigned index, bool warm_up, run_manner const& manner)
    : index_(static_cast<int>(index)),
      device_(use_device(index_)),
      config_(config),
      parts_(load_parts<T>(files, config, task)),
      weights_(upload(parts_)),
      model_{parts_, config_, weights_.get(), task.pooling, attention_unit_of(device_)} {
  for (auto& each : lanes_) each = std::make_unique<lane<T>>(model_, device_, manner);
  if (warm_up) warming_ = start_thread([this] { this->warm_up(); });
}

template <class T>
gpu_model<T>::~gpu_model() {
  ending_ = true;
  if (warming_.joinable()) warming_.join();
}

template <class T>
void gpu_model<T>::check_usable() {
  std::lock_guard const lock(mutex_);
  if (!lost_.empty()) throw ml::gpu_unusable(lost_);
}

template <class T>
void gpu_model<T>::lose(std::string const& why) {
  std::lock_guard const lock(mutex_);
  lost_ = why;
}

template <class T>
std::vector<float> gpu_model<T>::run(batch_source const& batch) {
  auto const held = free_.take();
  check_usable();
  std::vector<float> results;
  results.reserve(model_.results_of(batch) * result_width());
  try {
    check(cudaSetDevice(index_), "choosing a GPU");
    run_in_halves(0, batch.sequences(), [&](std::size_t first, std::size_t last) {
      if (first == last) return;
      auto const part = run_part(held.index(), batch.part(first, last));
      results.insert(results.end(), part.begin(), part.end());
    });
  } catch (ml::gpu_unusable const& error) {
    lose(error.what());
    throw;
  }
  return results;
}

// Where memory does not suffice, the other lane's goes too, unless a batch is on it.
template <class T>
std::vector<float> gpu_model<T>::run_part(std::size_t lane, batch_source const& batch) {
  if (!fits_one_bucket(batch)) throw ml::gpu_out_of_memory("a batch larger than the largest bucket");
  try {
    return lanes_[lane]->run(batch);
  } catch (ml::gpu_out_of_memory const&) {
    auto const other = free_.try_take(1 - lane);
    if (!other) throw;
    lanes_[other->index()]->free_caches();
  }
  return lanes_[lane]->run(batch);
}

// What fails here will fail, and be told, when a call needs it.
template <class T>
void gpu_model<T>::warm_up() noexcept {
  try {
    check(cudaSetDevice(index_), "choosing a GPU");
    for (std::size_t const tokens : buckets_up_to(lane<T>::usual_tokens)) {
      for (std::size_t i = 0; i < lane_count; ++i) {
        if (ending_) return;
        auto const held = free_.take(i);
        check_usable();
        lanes_[i]->warm_up(tokens);
      }
    }
  } catch (ml::gpu_unusable const& error) {
    lose(error.what());
  } catch (std::exception const&) {
  }
}

template class gpu_model<bf16>;
template class gpu_model<f16>;

int built_with_toolkit() noexcept { return CUDART_VERSION; }
char const* built_for_architecture() noexcept { return YONDER_CUDA_ARCHITECTURE; }

std::optional<std::string> why_unavailable(unsigned index) {
  try {
    use_device(static_cast<int>(index));
    cublaslt();
  } catch (ml::gpu_error const& error) {
    return error.what();
  }
  return std::nullopt;
}

std::unique_ptr<accelerator> load_accelerator(weight_files const& files, encoder_config const& config,
                                              model_task const& task, number_format format, unsigned index) {
  if (format == number_format::bf16)
    return std::make_unique<gpu_model<bf16>>(files, config, task, index, true);
  return std::make_unique<gpu_model<f16>>(files, config, task, index, true);
}

}  // namespace yonder::kernels::cuda
