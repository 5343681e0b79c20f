// SPDX-License-Identifier: Apache-2.0
#include "cuda/lane.hpp"

#include <algorithm>
#include <array>
#include <cstdio>

#include "cuda/support.hpp"

namespace yonder::kernels::cuda {
namespace {

constexpr std::uint32_t seed = 20'260'401;

template <class T>
std::size_t arena_bytes(placed_model<T> const& model, bucket const& size) {
  arena plan;
  activations<T>::in(plan, model, size);
  packed_batch::in(plan, size);
  return plan.used();
}

}  // namespace

template <class T>
lane<T>::lane(placed_model<T> const& model, device_properties const& device, run_manner const& manner)
    : model_(model),
      manner_(manner),
      workspace_(allocate_on_device(workspace_bytes)),
      products_(device, workspace_.get(), workspace_bytes, algorithm_store::of_user()),
      operators_(stream_.get(), products_,
                 manner.dependent_launch && support_of(device.major, device.minor).dependent_launch) {
  try {
    grow(bucket_for(usual_tokens, 1));
  } catch (ml::gpu_out_of_memory const&) {
    free_caches();  // smaller batches may fit
  }
}

template <class T>
std::vector<float> lane<T>::run(batch_source const& batch) {
  enqueue(prepare(batch));
  return finish(model_.results_of(batch));
}

template <class T>
typename lane<T>::prepared& lane<T>::prepare(batch_source const& batch) {
  try {
    return ready_for(batch);
  } catch (ml::gpu_out_of_memory const&) {
    free_caches();
  }
  return ready_for(batch);
}

template <class T>
void lane<T>::enqueue(prepared const& how) {
  if (how.replay == nullptr) {
    launch(how, operators_);
  } else {
    check(cudaGraphLaunch(how.replay.get(), stream_.get()), "launching a graph");
  }
}

template <class T>
std::vector<float> lane<T>::finish(std::size_t results) {
  stream_.wait();
  auto const* const first = reinterpret_cast<float const*>(results_.get());
  return {first, first + results * model_.result_width()};
}

template <class T>
void lane<T>::warm_up(std::size_t tokens) {
  std::vector<std::int32_t> const zeros(tokens);
  std::vector<std::size_t> starts = {0};
  while (starts.back() < tokens)
    starts.push_back(std::min(tokens, starts.back() + model_.config.max_tokens()));
  if (bucket_for(tokens, starts.size() - 1).rows > capacity_.rows) return;
  ready_for({zeros, zeros, starts});
}

template <class T>
typename lane<T>::prepared& lane<T>::ready_for(batch_source const& batch) {
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
  if (manner_.graphs) {
    launch(how, operators_);  // what is loaded on first use cannot be loaded during capture
    stream_.wait();
    how.replay = capture_forward(how);
  }
  return prepared_.emplace(size.rows, std::move(how)).first->second;
}

// Where it fails with dependent launch, this and all later graphs go without, and that is told.
template <class T>
gpu_graph lane<T>::capture_forward(prepared const& how) {
  auto const forward = [&] { launch(how, operators_); };
  if (!operators_.dependent_launch()) return capture(stream_.get(), forward);
  try {
    return capture(stream_.get(), forward);
  } catch (ml::gpu_out_of_memory const&) {
    throw;
  } catch (ml::gpu_unusable const&) {
    throw;
  } catch (ml::gpu_error const& error) {
    trouble_ = error.what();
  }
  operators_.set_dependent_launch(false);
  auto graph = capture(stream_.get(), forward);
  std::fprintf(stderr, "yonder: graphs run without programmatic dependent launch: %s\n", trouble_->c_str());
  return graph;
}

template <class T>
void lane<T>::fill(prepared const& how, batch_source const& batch) const {
  how.on_host.fill(batch, model_.config, 16 * model_.attention_warps(how.size));
}

// What was captured for smaller buckets points into memory that goes.
template <class T>
void lane<T>::grow(bucket const& size) {
  free_caches();
  std::size_t const bytes = arena_bytes(model_, size);
  memory_ = allocate_on_device(bytes);
  host_batch_ = allocate_pinned(packed_batch::bytes(size));
  results_ = allocate_pinned(model_.most_results(size) * model_.result_width() * sizeof(float));
  check(cudaMemsetAsync(memory_.get(), 0, bytes, stream_.get()), "clearing memory");
  capacity_ = size;
}

template <class T>
void lane<T>::free_caches() noexcept {
  prepared_.clear();
  capacity_ = {};
  memory_.reset();
  host_batch_.reset();
  results_.reset();
}

template <class T>
typename lane<T>::prepared lane<T>::lay_out(bucket const& size) const {
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

// The four products of a layer, on random inputs, with the weights of one layer after the other.
template <class T>
void lane<T>::tune(prepared const& how) {
  std::size_t const rows = how.size.rows;
  auto const& at = how.at;
  fill_randomly(stream_.get(), at.hidden, rows * model_.config.hidden, seed);
  fill_randomly(stream_.get(), at.context, rows * model_.config.hidden, seed + 1);
  fill_randomly(stream_.get(), at.wide, rows * model_.config.intermediate, seed + 2);
  fill_randomly(stream_.get(), at.sum, rows * model_.config.hidden, seed + 3);
  if (at.normed != nullptr) fill_randomly(stream_.get(), at.normed, rows * model_.config.hidden, seed + 4);
  if (at.gated != nullptr)
    fill_randomly(stream_.get(), at.gated, rows * model_.config.intermediate, seed + 5);
  using products_of_layer = layer_products<T>;
  // In this order no input is overwritten before it is used.
  for (auto const member : {&products_of_layer::attention_output, &products_of_layer::output,
                            &products_of_layer::intermediate, &products_of_layer::query_key_value}) {
    std::vector<product_arguments<T>> same_shape;
    for (auto const& layer : model_.parts.layers)
      same_shape.push_back(products_of(model_, layer, at, how.size).*member);
    products_.tune(stream_.get(), same_shape);
  }
}

template <class T>
void lane<T>::launch(prepared const& how, operators<T>& on) {
  check(cudaMemcpyAsync(how.on_device.counts, how.on_host.counts, how.batch_bytes, cudaMemcpyHostToDevice,
                        stream_.get()),
        "copying a batch to the GPU");
  run_forward(on, model_, how.at, how.on_device.view(), how.size, reinterpret_cast<float*>(results_.get()));
}

template class lane<bf16>;
template class lane<f16>;

}  // namespace yonder::kernels::cuda
