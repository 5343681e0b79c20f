// SPDX-License-Identifier: Apache-2.0
#include "cuda/forward.hpp"

#include <algorithm>

#include "cuda/number.hpp"
#include "model/family.hpp"

namespace yonder::kernels::cuda {
namespace {

constexpr std::size_t most_arrivals = most_tokens / 4 / 8;

template <class T>
class pass {
 public:
  pass(operators<T>& run, placed_model<T> const& model, activations<T> const& at, device_batch const& batch,
       bucket const& size)
      : run_(run),
        model_(model),
        at_(at),
        batch_(batch),
        size_(size),
        hidden_(static_cast<std::uint32_t>(model.config.hidden)) {}

  void embed() {
    auto const& parts = model_.parts;
    run_.run(embedding_arguments<T>{batch_, place(parts.words), place(parts.positions),
                                    parts.types ? place(*parts.types) : nullptr, norm(parts.embedding_norm),
                                    at_.hidden, size_.rows, hidden_});
  }

  void run_layer(layer_parts<T> const& layer) {
    auto const products = products_of(model_, layer, at_, size_);
    run_.run(products.query_key_value);
    auto const heads = static_cast<std::uint32_t>(model_.config.heads);
    run_.run(attention_arguments<T>{batch_, at_.wide, at_.context, size_.rows, heads, hidden_ / heads,
                                    model_.attention_warps(size_)});
    run_.run(products.attention_output);
    normalize(layer.attention_norm);
    run_.run(products.intermediate);
    run_.run(products.output);
    normalize(layer.output_norm);
  }

  void classify(classifier_parts<T> const& parts, float* results) {
    bool const rectifies = model_.config.head.first_activation == activation::relu;
    auto const function = rectifies ? first_activation::relu : first_activation::tanh;
    run_.run(classification_arguments<T>{batch_, at_.hidden, place(parts.first), place(parts.first_bias),
                                         place(parts.second), place(parts.second_bias), function, at_.scratch,
                                         at_.arrivals, results, hidden_,
                                         static_cast<std::uint32_t>(parts.labels), size_.sequences});
  }

  void pool(float* results) {
    auto const stride = static_cast<std::uint32_t>(model_.result_width());
    for (std::size_t i = 0; i < model_.pooling.size(); ++i) {
      run_.run(pooling_arguments<T>{batch_, at_.hidden, model_.pooling[i], results + i * hidden_, stride,
                                    hidden_, size_.sequences});
    }
  }

 private:
  template <class Element>
  Element const* place(part<Element> const& what) const {
    return what.in(model_.block);
  }

  norm_parameters norm(norm_parts const& parts) const {
    return {place(parts.weight), place(parts.bias), model_.config.layer_norm_epsilon};
  }

  void normalize(norm_parts const& parts) {
    run_.run(norm_arguments<T>{at_.sum, norm(parts), at_.hidden, size_.rows, hidden_});
  }

  operators<T>& run_;
  placed_model<T> const& model_;
  activations<T> const& at_;
  device_batch const& batch_;
  bucket const& size_;
  std::uint32_t hidden_;
};

}  // namespace

template <class T>
activations<T> activations<T>::in(arena& memory, placed_model<T> const& model, bucket const& size) {
  std::size_t const hidden = model.config.hidden;
  std::size_t const wide = std::max(3 * hidden, model.config.intermediate);
  activations parts{};
  parts.arrivals = memory.take<std::uint32_t>(most_arrivals);
  parts.hidden = memory.take<T>(size.rows * hidden);
  parts.sum = memory.take<T>(size.rows * hidden);
  parts.context = memory.take<T>(size.rows * hidden);
  parts.wide = memory.take<T>(size.rows * wide);
  parts.scratch = memory.take<float>(model.parts.classifier ? size.sequences * hidden : 0);
  return parts;
}

template <class T>
layer_products<T> products_of(placed_model<T> const& model, layer_parts<T> const& layer,
                              activations<T> const& at, bucket const& size) {
  auto const hidden = static_cast<std::uint32_t>(model.config.hidden);
  auto const wide = static_cast<std::uint32_t>(model.config.intermediate);
  auto const place = [&](part<T> const& what) { return what.in(model.block); };
  auto const plain = std::nullopt;
  return {{at.hidden, place(layer.query_key_value), place(layer.query_key_value_bias), nullptr, plain,
           at.wide, size.rows, 3 * hidden, hidden},
          {at.context, place(layer.attention_output), place(layer.attention_output_bias), at.hidden, plain,
           at.sum, size.rows, hidden, hidden},
          {at.hidden, place(layer.intermediate), place(layer.intermediate_bias), nullptr,
           model.config.layer.feed_forward_activation, at.wide, size.rows, wide, hidden},
          {at.wide, place(layer.output), place(layer.output_bias), at.hidden, plain, at.sum, size.rows,
           hidden, wide}};
}

template <class T>
void run_forward(operators<T>& run, placed_model<T> const& model, activations<T> const& at,
                 device_batch const& batch, bucket const& size, float* results) {
  pass<T> steps(run, model, at, batch, size);
  steps.embed();
  for (auto const& layer : model.parts.layers) steps.run_layer(layer);
  if (model.parts.classifier) {
    steps.classify(*model.parts.classifier, results);
  } else {
    steps.pool(results);
  }
}

template layer_products<bf16> products_of(placed_model<bf16> const&, layer_parts<bf16> const&,
                                          activations<bf16> const&, bucket const&);
template layer_products<f16> products_of(placed_model<f16> const&, layer_parts<f16> const&,
                                         activations<f16> const&, bucket const&);
template struct activations<bf16>;
template struct activations<f16>;
template void run_forward(operators<bf16>&, placed_model<bf16> const&, activations<bf16> const&,
                          device_batch const&, bucket const&, float*);
template void run_forward(operators<f16>&, placed_model<f16> const&, activations<f16> const&,
                          device_batch const&, bucket const&, float*);

}  // namespace yonder::kernels::cuda
