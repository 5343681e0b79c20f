// SPDX-License-Identifier: Apache-2.0
#include "cuda/model.hpp"

#include <algorithm>

namespace yonder::kernels::cuda {
namespace {

constexpr std::uint32_t seed = 20'260'401;

template <class T>
device_block upload(gpu_stream const& stream, model_parts<T>& parts) {
  auto block = allocate_on_device(parts.bytes.size());
  check(cudaMemcpyAsync(block.get(), parts.bytes.data(), parts.bytes.size(), cudaMemcpyHostToDevice,
                        stream.get()),
        "copying the weights to the GPU");
  stream.wait();
  parts.bytes = {};
  return block;
}

template <class T>
std::size_t arena_bytes(placed_model<T> const& model, bucket const& size) {
  arena plan;
  activations<T>::in(plan, model, size);
  packed_batch::in(plan, size);
  return plan.used();
}

bool fits_one_bucket(batch_source const& batch) {
  return batch.tokens() <= most_tokens && batch.sequences() * 4 <= most_tokens;
}

}  // namespace

template <class T>
gpu_model<T>::gpu_model(weight_files const& files, encoder_config const& config, model_task const& task,
                        unsigned index)
    : index_(static_cast<int>(index)),
      device_(use_device(index_)),
      config_(config),
      parts_(load_parts<T>(files, config, task.labels)),
      weights_(upload(stream_, parts_)),
      workspace_(allocate_on_device(workspace_bytes)),
      products_(workspace_.get(), workspace_bytes),
      model_{parts_, config_, weights_.get(), task.pooling, attention_unit_of(device_)},
      operators_(stream_.get(), products_, device_.major >= 9) {}

template <class T>
std::vector<float> gpu_model<T>::run(batch_source const& batch) {
  std::lock_guard const lock(mutex_);
  if (!lost_.empty()) throw ml::gpu_unusable(lost_);
  std::vector<float> results;
  results.reserve(batch.sequences() * result_width());
  try {
    check(cudaSetDevice(index_), "choosing a GPU");
    run_in_halves(0, batch.sequences(),
                  [&](std::size_t first, std::size_t last) { run_part(batch.part(first, last), results); });
  } catch (ml::gpu_unusable const& error) {
    lost_ = error.what();
    throw;
  }
  return results;
}

template <class T>
void gpu_model<T>::run_part(batch_source const& batch, std::vector<float>& results) {
  if (batch.sequences() == 0) return;
  if (!fits_one_bucket(batch)) throw ml::gpu_out_of_memory("a batch larger than the largest bucket");
  enqueue(prepare(batch));
  auto const part = finish(batch.sequences());
  results.insert(results.end(), part.begin(), part.end());
}

template <class T>
typename gpu_model<T>::prepared& gpu_model<T>::prepare(batch_source const& batch) {
  try {
    return ready_for(batch);
  } catch (ml::gpu_out_of_memory const&) {
    free_caches();
  }
  return ready_for(batch);
}

template <class T>
void gpu_model<T>::enqueue(prepared const& how) {
  if (how.replay == nullptr) {
    launch(how, operators_);
  } else {
    check(cudaGraphLaunch(how.replay.get(), stream_.get()), "launching a graph");
  }
}

template <class T>
std::vector<float> gpu_model<T>::finish(std::size_t sequences) {
  stream_.wait();
  auto const* const first = reinterpret_cast<float const*>(results_.get());
  return {first, first + sequences * result_width()};
}

template <class T>
typename gpu_model<T>::prepared& gpu_model<T>::ready_for(batch_source const& batch) {
  bucket const size = bucket_for(batch.tokens(), batch.sequences());
  auto const known = prepared_.find(size.rows);
  if (known != prepared_.end()) {
    fill(known->second, batch);
    return known->second;
  }
  if (size.rows > capacity_.rows) grow(size);
  prepared how = lay_out(size);
  fill(how, batch);
  tune(how);
  launch(how, operators_);  // what is loaded on first use cannot be loaded during capture
  stream_.wait();
  how.replay = capture(stream_.get(), [&] { launch(how, operators_); });
  return prepared_.emplace(size.rows, std::move(how)).first->second;
}

template <class T>
void gpu_model<T>::fill(prepared const& how, batch_source const& batch) const {
  how.on_host.fill(batch, config_, 16 * model_.attention_warps(how.size));
}

// What was captured for smaller buckets points into memory that goes.
template <class T>
void gpu_model<T>::grow(bucket const& size) {
  free_caches();
  std::size_t const bytes = arena_bytes(model_, size);
  memory_ = allocate_on_device(bytes);
  host_batch_ = allocate_pinned(packed_batch::bytes(size));
  results_ = allocate_pinned(size.sequences * result_width() * sizeof(float));
  check(cudaMemsetAsync(memory_.get(), 0, bytes, stream_.get()), "clearing memory");
  capacity_ = size;
}

template <class T>
void gpu_model<T>::free_caches() noexcept {
  prepared_.clear();
  capacity_ = {};
  memory_.reset();
  host_batch_.reset();
  results_.reset();
}

template <class T>
typename gpu_model<T>::prepared gpu_model<T>::lay_out(bucket const& size) {
  prepared how;
  how.size = size;
  arena device(memory_.get());
  how.at = activations<T>::in(device, model_, size);
  how.on_device = packed_batch::in(device, size);
  arena host(host_batch_.get());
  how.on_host = packed_batch::in(host, size);
  how.batch_bytes = packed_batch::bytes(size);
  return how;
}

// The four products of a layer, on random inputs.
template <class T>
void gpu_model<T>::tune(prepared const& how) {
  auto const hidden = static_cast<std::uint32_t>(config_.hidden);
  auto const wide = static_cast<std::uint32_t>(config_.intermediate);
  std::uint32_t const rows = how.size.rows;
  auto const& at = how.at;
  auto const& layer = parts_.layers.front();
  auto const* const block = weights_.get();
  fill_randomly(stream_.get(), at.hidden, std::size_t{rows} * hidden, seed);
  fill_randomly(stream_.get(), at.context, std::size_t{rows} * hidden, seed + 1);
  fill_randomly(stream_.get(), at.wide, std::size_t{rows} * wide, seed + 2);
  auto const* const bias = layer.query_key_value_bias.in(block);
  products_.tune(stream_.get(),
                 {at.context, layer.attention_output.in(block), nullptr, at.projected, rows, hidden, hidden});
  products_.tune(stream_.get(), {at.wide, layer.output.in(block), nullptr, at.projected, rows, hidden, wide});
  products_.tune(stream_.get(),
                 {at.hidden, layer.intermediate.in(block), nullptr, at.wide, rows, wide, hidden});
  products_.tune(stream_.get(),
                 {at.hidden, layer.query_key_value.in(block), bias, at.wide, rows, 3 * hidden, hidden});
}

template <class T>
void gpu_model<T>::launch(prepared const& how, operators<T>& on) {
  check(cudaMemcpyAsync(how.on_device.counts, how.on_host.counts, how.batch_bytes, cudaMemcpyHostToDevice,
                        stream_.get()),
        "copying a batch to the GPU");
  run_forward(on, model_, how.at, how.on_device.view(), how.size, reinterpret_cast<float*>(results_.get()));
}

template class gpu_model<bf16>;
template class gpu_model<f16>;

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
  if (format == number_format::bf16) return std::make_unique<gpu_model<bf16>>(files, config, task, index);
  return std::make_unique<gpu_model<f16>>(files, config, task, index);
}

}  // namespace yonder::kernels::cuda
