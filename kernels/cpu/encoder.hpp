// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "cpu/attention.hpp"
#include "cpu/kernel_set.hpp"
#include "cpu/matrix.hpp"
#include "model/config.hpp"
#include "model/safetensors.hpp"

namespace yonder::kernels::cpu {

// Sequences one after the other, without padding: what is not there cannot change a result.
struct token_batch {
  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> type_ids;
  std::vector<std::size_t> starts = {0};  // sequence i has the tokens starts[i] to starts[i + 1]
  std::size_t skipped = 0;  // tokens at the front of each that pooling leaves out: those of its prompt

  std::size_t tokens() const noexcept { return ids.size(); }
  std::size_t sequences() const noexcept { return starts.size() - 1; }
};

// A table of vectors that is looked up by row; it stays in the mapped file, in its own data type.
class embedding {
 public:
  embedding() = default;
  embedding(tensor_view const& tensor, std::size_t width) : tensor_(&tensor), width_(width) {}

  // to[width] = row. Precondition: the row is there.
  void read_row(std::size_t row, float* to) const noexcept;

 private:
  tensor_view const* tensor_ = nullptr;
  std::size_t width_ = 0;
};

// y = x * weight^T + bias
struct linear {
  packed_matrix weight;
  std::vector<float> bias;  // empty: none

  float const* bias_data() const noexcept { return bias.empty() ? nullptr : bias.data(); }
};

struct norm {
  std::vector<float> weight;
  std::vector<float> bias;
};

struct slice {
  std::size_t begin;
  std::size_t count;
};

// Loads the parts of a model by name, each with the shape that it must have. Layers with a weight that is no
// finite number are refused.
class part_loader {
 public:
  // Keeps references to both.
  part_loader(weight_files const& files, product_kernel const& kernel, std::string prefix = {})
      : files_(files), kernel_(kernel), prefix_(std::move(prefix)) {}

  part_loader inside(std::string const& name) const { return {files_, kernel_, prefix_ + name + "."}; }
  product_kernel const& kernel() const noexcept { return kernel_; }
  bool has(std::string const& name) const { return files_.has(prefix_ + name); }

  embedding load_embedding(std::string const& name, std::size_t rows, std::size_t width) const;
  // Several layers of the same input, their outputs beside each other.
  linear load_linear(std::vector<std::string> const& names, std::size_t in, std::size_t out_of_each,
                     bool has_bias = true) const;
  linear load_linear(std::string const& name, std::size_t in, std::size_t out, bool has_bias = true) const;
  // `part` of a layer's outputs, or of its inputs: the bias then comes with the first.
  linear load_outputs(std::string const& name, std::size_t in, std::size_t out, slice part,
                      bool has_bias) const;
  linear load_inputs(std::string const& name, std::size_t in, std::size_t out, slice part,
                     bool has_bias) const;
  // `part` of the outputs of a gated layer: those of its first half, and the same of its second.
  linear load_gated(std::string const& name, std::size_t in, std::size_t out, slice part,
                    bool has_bias) const;
  // A whole tensor.
  std::vector<float> load_values(std::string const& name, std::span<std::uint64_t const> shape) const;
  // Also under the names gamma and beta, as TensorFlow's checkpoints have them. A bias that is not there is
  // 0.
  norm load_norm(std::string const& name, std::size_t width, bool has_bias = true) const;

 private:
  tensor_view const& weight_of(std::string const& name, std::size_t in, std::size_t out) const;
  void read_row(tensor_view const& weight, std::string const& name, std::size_t first, std::size_t count,
                float* row) const;
  std::vector<float> load_vector(std::string const& name, std::size_t size) const;
  void check_finite(std::string const& name, std::span<float const> values) const;

  weight_files const& files_;
  product_kernel const& kernel_;
  std::string prefix_;
};

class encoder_workspace;

// How an encoder computes.
struct compute_options {
  ml::precision precision = ml::precision::fp32;
  std::size_t threads = 0;  // at most, the caller included; 0: default_threads()
};

// The encoder of BERT (Devlin et al., arXiv:1810.04805), DistilBERT (Sanh et al., arXiv:1910.01108), RoBERTa
// (Liu et al., arXiv:1907.11692), MPNet (Song et al., arXiv:2004.09297) and ModernBERT (Warner et al.,
// arXiv:2412.13663), as the config's layer_description says. In fp32, layers whose weights are all bf16, or
// all fp16, keep them so: half the memory, and the same bits. Const calls are thread-safe.
class encoder {
 public:
  // The tables of embeddings stay in `files`, which must live as long. Throws ml::model_error,
  // std::invalid_argument for a bad YONDER_THREADS.
  encoder(weight_files const& files, encoder_config const& config, kernel_set const& kernels,
          compute_options options = {});
  ~encoder();

  // The last hidden states, [tokens][hidden]. Their memory goes back to the encoder, which must live as long.
  class states {
   public:
    states(encoder const& from, std::unique_ptr<encoder_workspace> work) noexcept;
    states(states&&) noexcept;
    states& operator=(states&&) = delete;
    ~states();

    std::span<float const> values() const noexcept;
    operator std::span<float const>() const noexcept { return values(); }

   private:
    encoder const& from_;
    std::unique_ptr<encoder_workspace> work_;
  };

  // Preconditions: ids, type ids and lengths within the config's limits. Throws std::bad_alloc.
  states operator()(token_batch const& batch) const;

  encoder_config const& config() const noexcept { return config_; }
  // By which the layers' products are computed.
  char const* kernel_name() const noexcept { return product_.name; }
  crew workers() const noexcept { return {thread_pool::shared(), threads_}; }

 private:
  struct layer {
    linear query_key_value;
    linear attention_output;
    norm attention_norm;               // behind the sum of attention
    std::vector<linear> intermediate;  // a slab of its outputs each
    std::vector<linear> output;        // the inputs of the same slab
    norm output_norm;                  // behind the sum of the feed-forward network
    std::size_t window;                // as in attention_input
    std::size_t rotation;              // which of rotary_bases_
  };
  class workspaces;

  layer load_layer(part_loader const& loader, std::size_t index);
  std::size_t rotation_of(float base);
  void embed(token_batch const& batch, encoder_workspace& work) const;
  void add_tables(token_batch const& batch, std::size_t token, std::size_t position, float* row,
                  float* to) const;
  void attend(layer const& weights, token_batch const& batch, encoder_workspace& work) const;
  void rotate(std::vector<float> const& angles, encoder_workspace& work) const;
  void feed_forward(layer const& weights, encoder_workspace& work) const;
  void run_slab(linear const& intermediate, linear const& output, encoder_workspace& work) const;
  void normalize(norm const& norm, bool keeps_sum, encoder_workspace& work) const;
  void encode_rows(float const* rows, std::size_t count, std::size_t width, operand& to) const;

  encoder_config config_;
  kernel_set const& kernels_;
  product_kernel const& product_;
  std::size_t threads_;
  embedding words_;
  embedding positions_;
  embedding types_;
  norm embedding_norm_;
  std::vector<float> distances_;  // as in attention_input; empty: none
  std::vector<float> rotary_bases_;
  std::vector<layer> layers_;
  std::unique_ptr<workspaces> workspaces_;
};

// rows[count][in] to [count][out].
std::vector<float> apply(kernel_set const& kernels, crew const& by, linear const& layer,
                         std::vector<float> const& rows);

}  // namespace yonder::kernels::cpu
