// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "cuda/device.hpp"
#include "cuda/launch.hpp"
#include "cuda/operators.hpp"

namespace yonder::kernels::cuda {

// The time of each phase of an encoder, and what it must at least do.
struct phase {
  double microseconds = 0.0;
  double operations = 0.0;  // floating-point, of the tensor cores
  double bytes = 0.0;       // read and written once
};

// Passes calls on, between two events each: kernels do not overlap then, nor wait for the host, and each
// phase has its own time.
template <class T>
class timed_operators final : public operators<T> {
 public:
  // `squared_lengths`: the sum over the sequences. All must live as long.
  timed_operators(operators<T>& to, gpu_stream const& stream, double squared_lengths)
      : to_(to), stream_(stream), squared_lengths_(squared_lengths) {}

  void run(embedding_arguments<T> const& a) override {
    time(a, "embedding", 0.0, 2.0 * (a.types == nullptr ? 3 : 4) * a.rows * a.width);
  }
  void run(product_arguments<T> const& a) override {
    std::string const name = "product " + std::to_string(a.columns) + " x " + std::to_string(a.depth) +
                             (a.function ? " with activation" : "") +
                             (a.residual == nullptr ? "" : " with residual");
    double const rows = a.rows;
    double const columns = a.columns;
    double const depth = a.depth;
    double const results = a.residual == nullptr ? 1.0 : 2.0;
    time(a, name, 2.0 * rows * columns * depth,
         2.0 * (rows * depth + columns * depth + results * rows * columns));
  }
  void run(attention_arguments<T> const& a) override {
    double const hidden = a.heads * a.head_size;
    time(a, "attention", 4.0 * squared_lengths_ * hidden, 2.0 * 4 * a.rows * hidden);
  }
  void run(norm_arguments<T> const& a) override { time(a, "norm", 0.0, 2.0 * 2 * a.rows * a.width); }
  void run(activation_arguments<T> const& a) override {
    time(a, "activation", 0.0, 2.0 * 2 * a.rows * a.width);
  }
  void run(gate_arguments<T> const& a) override { time(a, "gate", 0.0, 2.0 * 3 * a.rows * a.width); }
  void run(rotary_arguments<T> const& a) override {
    time(a, "rotation", 0.0, 2.0 * 4 * a.rows * a.heads * a.head_size);
  }
  void run(label_arguments<T> const& a) override {
    time(a, "labels", 0.0, 2.0 * a.rows * a.width + 4.0 * a.rows * a.labels);
  }
  void run(classification_arguments<T> const& a) override {
    time(a, "classification", 0.0, 2.0 * a.width * (a.width + a.labels));
  }
  void run(pooling_arguments<T> const& a) override {
    time(a, "pooling", 0.0, 2.0 * 4 * a.most_sequences * a.width);
  }

  // Waits for all that was run.
  std::map<std::string, phase> phases() const {
    std::map<std::string, phase> sums;
    for (auto const& each : calls_) {
      phase& sum = sums[each.name];
      sum.microseconds += each.end->since(*each.begin);
      sum.operations += each.operations;
      sum.bytes += each.bytes;
    }
    return sums;
  }

 private:
  struct call {
    std::string name;
    double operations;
    double bytes;
    std::unique_ptr<gpu_event> begin = std::make_unique<gpu_event>();
    std::unique_ptr<gpu_event> end = std::make_unique<gpu_event>();
  };

  template <class Arguments>
  void time(Arguments const& a, std::string name, double operations, double bytes) {
    calls_.push_back({std::move(name), operations, bytes});
    hold(stream_.get(), time_to_enqueue);
    calls_.back().begin->record(stream_.get());
    to_.run(a);
    calls_.back().end->record(stream_.get());
  }

  static constexpr double time_to_enqueue = 30.0;  // microseconds, of one

  operators<T>& to_;
  gpu_stream const& stream_;
  double squared_lengths_;
  std::vector<call> calls_;
};

}  // namespace yonder::kernels::cuda
