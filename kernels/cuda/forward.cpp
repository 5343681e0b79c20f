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
        hidden_(static_cast<std::uint32_t>(model.config.hidden)),
        norms_before_(model.config.layer.norms == norm_place::before_part) {}

  void embed() {
    auto const& parts = model_.parts;
    run_.run(embedding_arguments<T>{batch_, place(parts.words), place(parts.positions), place(parts.types),
                                    norm(parts.embedding_norm), at_.hidden, size_.rows, hidden_});
  }

  void run_layer(layer_parts<T> const& layer) {
    auto const products = products_of(model_, layer, at_, size_);
    run_.run(products.query_key_value);
    attend(layer);
    run_.run(products.attention_output);
    normalize(layer.attention_norm, at_.sum);
    run_.run(products.intermediate);
    if (!products.intermediate.function) activate(layer);
    run_.run(products.output);
    normalize(layer.output_norm, norms_before_ ? at_.hidden : at_.sum);
  }

  // Of rows of tokens, or of sequences, whose tokens are pooled then.
  void label(head_parts<T> const& parts, float* results) {
    auto const rows = parts.of_tokens ? size_.rows : size_.sequences;
    T const* states = parts.of_tokens ? this->states() : at_.context;
    if (!parts.of_tokens) {
      auto const mode = model_.config.head.takes_mean ? pooling_mode::mean : pooling_mode::first_token;
      run_.run(pooling_arguments<T>{batch_, this->states(), mode, nullptr, hidden_, hidden_, size_.sequences,
                                    at_.context});
    }
    if (parts.first) {
      T const* const bias = place(parts.first_bias);
      auto const function = *model_.config.head.first_activation;
      auto const with_bias = bias == nullptr ? std::nullopt : std::optional(function);
      run_.run(product_arguments<T>{states, place(*parts.first), bias, nullptr, with_bias, at_.sum, rows,
                                    hidden_, hidden_});
      if (bias == nullptr) run_.run(activation_arguments<T>{at_.sum, nullptr, function, rows, hidden_});
      states = at_.sum;
    }
    if (parts.norm) {
      run_.run(norm_arguments<T>{states, norm(*parts.norm), at_.context, rows, hidden_});
      states = at_.context;
    }
    run_.run(label_arguments<T>{batch_, states, place(parts.last), place(parts.last_bias), results, rows,
                                hidden_, static_cast<std::uint32_t>(parts.labels), parts.of_tokens});
  }

  void classify(classifier_parts<T> const& parts, float* results) {
    bool const rectifies = model_.config.head.first_activation == activation::relu;
    auto const function = rectifies ? first_activation::relu : first_activation::tanh;
    run_.run(classification_arguments<T>{batch_, states(), place(parts.first), place(parts.first_bias),
                                         place(parts.second), place(parts.second_bias), function, at_.scratch,
                                         at_.arrivals, results, hidden_,
                                         static_cast<std::uint32_t>(parts.labels), size_.sequences});
  }

  void pool(float* results) {
    auto const stride = static_cast<std::uint32_t>(model_.result_width());
    for (std::size_t i = 0; i < model_.pooling.size(); ++i) {
      run_.run(pooling_arguments<T>{batch_, states(), model_.pooling[i], results + i * hidden_, stride,
                                    hidden_, size_.sequences});
    }
  }

 private:
  template <class Element>
  Element const* place(part<Element> const& what) const {
    return what.in(model_.block);
  }

  template <class Element>
  Element const* place(std::optional<part<Element>> const& what) const {
    return what ? what->in(model_.block) : nullptr;
  }

  // The last hidden states.
  T const* states() const { return norms_before_ ? at_.normed : at_.hidden; }

  void attend(layer_parts<T> const& layer) {
    auto const heads = static_cast<std::uint32_t>(model_.config.heads);
    auto const size = hidden_ / heads;
    if (layer.angles)
      run_.run(rotary_arguments<T>{batch_, at_.wide, place(layer.angles), size_.rows, heads, size});
    float const* const distances = place(model_.parts.distances);
    auto const reach = distances == nullptr ? 0U : static_cast<std::uint32_t>(model_.config.max_tokens());
    run_.run(attention_arguments<T>{batch_, at_.wide, at_.context, size_.rows, heads, size,
                                    model_.attention_warps(size_), layer.window, distances, reach});
  }

  // What no product does by itself.
  void activate(layer_parts<T> const& layer) {
    auto const function = model_.config.layer.feed_forward_activation;
    auto const wide = static_cast<std::uint32_t>(model_.config.intermediate);
    T const* const bias = place(layer.intermediate_bias);
    if (model_.config.layer.gated)
      run_.run(gate_arguments<T>{at_.wide, bias, function, at_.gated, size_.rows, wide});
    else
      run_.run(activation_arguments<T>{at_.wide, bias, function, size_.rows, wide});
  }

  norm_parameters norm(norm_parts const& parts) const {
    return {place(parts.weight), place(parts.bias), model_.config.layer_norm_epsilon};
  }

  // Where norms stand before parts, the sum stays.
  void normalize(norm_parts const& parts, T const* sum) {
    T* const to = norms_before_ ? at_.normed : at_.hidden;
    run_.run(norm_arguments<T>{sum, norm(parts), to, size_.rows, hidden_});
  }

  operators<T>& run_;
  placed_model<T> const& model_;
  activations<T> const& at_;
  device_batch const& batch_;
  bucket const& size_;
  std::uint32_t hidden_;
  bool norms_before_;
};

}  // namespace

template <class T>
activations<T> activations<T>::in(arena& memory, placed_model<T> const& model, bucket const& size) {
  std::size_t const hidden = model.config.hidden;
  auto const& layer = model.config.layer;
  std::size_t const intermediate = model.config.intermediate;
  std::size_t const wide = std::max(3 * hidden, (layer.gated ? 2 : 1) * intermediate);
  bool const norms_before = layer.norms == norm_place::before_part;
  activations parts{};
  parts.arrivals = memory.take<std::uint32_t>(most_arrivals);
  parts.hidden = memory.take<T>(size.rows * hidden);
  parts.sum = memory.take<T>(size.rows * hidden);
  parts.context = memory.take<T>(size.rows * hidden);
  parts.wide = memory.take<T>(size.rows * wide);
  parts.normed = norms_before ? memory.take<T>(size.rows * hidden) : nullptr;
  parts.gated = layer.gated ? memory.take<T>(size.rows * intermediate) : nullptr;
  parts.scratch = memory.take<float>(model.parts.classifier ? size.sequences * hidden : 0);
  return parts;
}

template <class T>
layer_products<T> products_of(placed_model<T> const& model, layer_parts<T> const& layer,
                              activations<T> const& at, bucket const& size) {
  auto const hidden = static_cast<std::uint32_t>(model.config.hidden);
  auto const wide = static_cast<std::uint32_t>(model.config.intermediate);
  auto const& how = model.config.layer;
  auto const place = [&](part<T> const& what) { return what.in(model.block); };
  auto const bias = [&](std::optional<part<T>> const& what) -> T const* {
    return what ? what->in(model.block) : nullptr;
  };
  auto const plain = std::nullopt;
  bool const before = how.norms == norm_place::before_part;
  bool const first = &layer == model.parts.layers.data();  // reads the embedding's norm
  // Where norms stand before parts, the sums go on, in `sum` behind attention and in `hidden` behind the
  // layer.
  T* const of_layer = before && !first ? at.normed : at.hidden;
  product_arguments<T> intermediate{before ? at.normed : at.hidden,
                                    place(layer.intermediate),
                                    bias(layer.intermediate_bias),
                                    nullptr,
                                    how.feed_forward_activation,
                                    at.wide,
                                    size.rows,
                                    wide,
                                    hidden};
  if (how.gated) {  // the gate's kernel adds the bias
    intermediate.bias = nullptr;
    intermediate.columns = 2 * wide;
  }
  if (intermediate.bias == nullptr) intermediate.function = plain;
  return {{of_layer, place(layer.query_key_value), bias(layer.query_key_value_bias), nullptr, plain, at.wide,
           size.rows, 3 * hidden, hidden},
          {at.context, place(layer.attention_output), bias(layer.attention_output_bias), at.hidden, plain,
           at.sum, size.rows, hidden, hidden},
          intermediate,
          {how.gated ? at.gated : at.wide, place(layer.output), bias(layer.output_bias),
           before ? at.sum : at.hidden, plain, before ? at.hidden : at.sum, size.rows, hidden, wide}};
}

template <class T>
void run_forward(operators<T>& run, placed_model<T> const& model, activations<T> const& at,
                 device_batch const& batch, bucket const& size, float* results) {
  pass<T> steps(run, model, at, batch, size);
  steps.embed();
  for (auto const& layer : model.parts.layers) steps.run_layer(layer);
  if (model.parts.classifier) {
    steps.classify(*model.parts.classifier, results);
  } else if (model.parts.head) {
    steps.label(*model.parts.head, results);
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
