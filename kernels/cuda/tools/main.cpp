// SPDX-License-Identifier: Apache-2.0
//
// yonder_gpu: checks and times the CUDA kernels. It reads commands from stdin, a line each, and answers each
// with lines of JSON, then "done" or "failed: <why>". kernels/cuda/tools/gpu.py drives it (./dev gpu).
//
//   device                        name and versions
//   operators all|reduced         each operator but attention against its formula
//   attention WARPS all|reduced   attention, by the kernel whose tiles have so many warps
//   attention_kinds               how many warps those may be on this device
//   rate NAME                     what the machine gives at best: copy, matrix, launch, node, dependent,
//   barrier product ROWS COLUMNS DEPTH    cuBLASLt's time, bf16: alone, with activation, with residual bench
//   KERNEL                  the time of a kernel, bf16, on each of its shapes: embedding, norm, activation,
//                                 attention (by the warps of its tiles), gate, rotation, labels,
//                                 classification, pooling
//   load FOLDER bf16|fp16 MANNER  the model that the next commands use; MANNER: graph or launches, then
//                                 +dependent or nothing
//   results BATCH OUT             runs the batch; writes floats to the file OUT
//   time BATCH ROUNDS             microseconds on the device, and of a whole call
//   phases BATCH ROUNDS           microseconds, operations and bytes of each phase
//   texts FOLDER FILE ROUNDS      text to label: microseconds of the file's first line, and of all its lines
// A BATCH is a text file: a line of token ids for each sequence.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <sstream>
#include <variant>

#include "cuda/doctor.hpp"
#include "cuda/model.hpp"
#include "cuda/tools/ceilings.hpp"
#include "cuda/tools/timed_operators.hpp"
#include "tests/operator_checks.hpp"
#include "yonder/ml/text_classifier.hpp"

namespace {

using namespace yonder::kernels;
using namespace yonder::kernels::cuda;
using json = nlohmann::json;

void say(json const& line) { std::cout << line.dump() << '\n'; }

double median(std::vector<double> values) {
  auto const middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// ---- operators
// ----------------------------------------------------------------------------------------------

template <class T>
class gpu_bench final : public bench<T> {
 public:
  gpu_bench()
      : workspace_(allocate_on_device(workspace_bytes)),
        products_(use_device(0), workspace_.get(), workspace_bytes, algorithm_store::of_user()) {}

  operators<T>& run() override { return operators_; }
  void* place(void const* values, std::size_t bytes) override {
    blocks_.push_back(allocate_on_device(bytes));
    check(cudaMemcpyAsync(blocks_.back().get(), values, bytes, cudaMemcpyHostToDevice, stream_.get()),
          "copying to the GPU");
    stream_.wait();
    return blocks_.back().get();
  }
  void fetch(void const* from, std::size_t bytes, void* to) override {
    stream_.wait();
    check(cudaMemcpy(to, from, bytes, cudaMemcpyDeviceToHost), "copying from the GPU");
  }
  void tune(product_arguments<T> const& a) { products_.tune(stream_.get(), {&a, 1}); }
  gpu_stream const& stream() const noexcept { return stream_; }

 private:
  gpu_stream stream_;
  device_block workspace_;
  products<T> products_;
  gpu_operators<T> operators_{stream_.get(), products_, false};
  std::vector<device_block> blocks_;
};

template <class T>
finding check_product(std::uint32_t rows, std::uint32_t columns, std::uint32_t depth, bool with_bias,
                      bool with_residual, std::optional<activation> function) {
  gpu_bench<T> on;
  auto const in = random_values<T>(std::size_t{rows} * depth);
  auto const weight = random_values<T>(std::size_t{columns} * depth, 0.05F);
  auto const bias = random_values<T>(columns);
  auto const residual = random_values<T>(std::size_t{rows} * columns);
  auto* const out = on.put(poisoned<T>(residual.size()));
  product_arguments<T> const a{on.put(in),
                               on.put(weight),
                               with_bias ? on.put(bias) : nullptr,
                               with_residual ? on.put(residual) : nullptr,
                               function,
                               out,
                               rows,
                               columns,
                               depth};
  on.tune(a);
  on.run().run(a);
  auto const wide_bias = widen(bias);
  auto expected = reference::multiply(widen(in).data(), rows, widen(weight).data(), columns, depth,
                                      with_bias ? wide_bias.data() : nullptr);
  for (std::size_t i = 0; i < expected.size(); ++i) {
    if (with_residual) expected[i] += to_float(residual[i]);
    if (function == activation::relu) expected[i] = std::max(expected[i], 0.0);
    if (function == activation::gelu) expected[i] = reference::gelu_tanh(expected[i]);
  }
  return {name_of<T>(function        ? "product with activation"
                     : with_residual ? "product with residual"
                                     : "product",
                     columns),
          relative_error(widen(on.get(out, expected.size())), expected), rounding<T>};
}

// How many warps an attention tile may have on this device.
std::vector<std::uint32_t> attention_kinds() {
  std::vector<std::uint32_t> kinds = {1, 2, 4};
  if (attention_unit_of(use_device(0)) == attention_unit::warpgroup) kinds.push_back(hopper_attention_warps);
  return kinds;
}

// Said as soon as it is known: the next check may hang.
void report(finding const& found) {
  say({{"what", found.what}, {"error", found.error}, {"allowed", found.allowed}, {"good", found.good()}});
  std::cout.flush();
}

template <class T>
void check_operators(bool reduced) {
  std::vector<std::size_t> const widths =
      reduced ? std::vector<std::size_t>{384} : std::vector<std::size_t>{8, 264, 384, 768, 1024};
  for (std::size_t const width : widths) {
    gpu_bench<T> on;
    report(check_embedding(on, width, {1, 30, 2}));
    for (std::uint32_t const rows : {1U, 31U, 1025U}) {
      report(check_norm(on, width, rows));
      for (auto const function : {activation::gelu, activation::gelu_tanh, activation::relu})
        report(check_activation(on, function, 4 * width, rows));
    }
    if (width < 32) continue;
    for (auto const function : {first_activation::tanh, first_activation::relu})
      report(check_classification(on, function, width, 5, {4, 7, 1, 1, 1, 1, 1, 1, 1, 1, 3}));
    for (auto const mode :
         {pooling_mode::first_token, pooling_mode::maximum, pooling_mode::mean,
          pooling_mode::mean_sqrt_length, pooling_mode::weighted_mean, pooling_mode::last_token}) {
      report(check_pooling(on, mode, width, {1, 2, 8, 9, 40}));
      report(check_pooling(on, mode, width, {5, 8, 4, 40}, 3));
    }
    report(check_gate(on, activation::gelu, 4 * width, 31, width % 64 == 0));
    report(check_labels(on, width, 9, {1, 2, 8, 9, 40}, true));
    report(check_labels(on, width, 3, {1, 2, 8, 9, 40}, false));
  }
  if (reduced) return;  // cuBLASLt is not ours to sanitize
  report(check_product<T>(33, 96, 64, false, false, std::nullopt));
  report(check_product<T>(33, 96, 64, true, false, std::nullopt));
  report(check_product<T>(128, 768, 384, true, true, std::nullopt));
  report(check_product<T>(128, 768, 384, true, false, activation::gelu));
  report(check_product<T>(128, 768, 384, true, false, activation::relu));
}

template <class T>
void check_attention_of(std::uint32_t warps, bool reduced) {
  std::vector<std::size_t> const ragged = {1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 256, 257, 2};
  for (std::size_t const head_size : {32U, 64U}) {
    gpu_bench<T> on;
    report(check_attention(on, head_size, 2, warps, ragged));
    report(check_attention(on, head_size, 1, warps, {5, 3, 65, 2, 140, 9, 1}, 2));
    report(
        check_attention(on, head_size, 1, warps, std::vector<std::size_t>(60, 2)));  // many tiles for a block
    if (!reduced) report(check_attention(on, head_size, 3, warps, {511, 1, 512, 300}));
    if (warps == hopper_attention_warps) continue;
    report(check_rotary(on, head_size, 3, ragged));
    for (std::size_t const window : {1, 64, 100})
      report(check_attention(on, head_size, 2, warps, ragged, 1, {.window = window}));
    report(check_attention(on, head_size, 2, warps, ragged, 2, {.window = 70, .distances = true}));
  }
}

// Other inputs each time; the seed is told, so that they can come again.
void seed_randomly() {
  // std::random_device would need a newer GLIBC than some machines with a GPU have.
  auto const seed = static_cast<std::uint32_t>(std::chrono::system_clock::now().time_since_epoch().count());
  random_engine().seed(seed);
  std::cerr << "seed " << seed << '\n';
}

bool wants_reduced(std::istringstream& words) {
  std::string word;
  if (!(words >> word) || (word != "all" && word != "reduced"))
    throw std::invalid_argument("all or reduced?");
  return word == "reduced";
}

void operators_command(std::istringstream& words) {
  bool const reduced = wants_reduced(words);
  seed_randomly();
  check_operators<bf16>(reduced);
  check_operators<f16>(reduced);
}

void attention_command(std::istringstream& words) {
  std::uint32_t warps = 0;
  if (!(words >> warps)) throw std::invalid_argument("attention WARPS all|reduced");
  bool const reduced = wants_reduced(words);
  seed_randomly();
  check_attention_of<bf16>(warps, reduced);
  check_attention_of<f16>(warps, reduced);
}

// ---- the machine
// ----------------------------------------------------------------------------------------------

void device_command() {
  auto const device = use_device(0);
  int driver = 0;
  int runtime = 0;
  check(cudaDriverGetVersion(&driver), "asking for a version");
  check(cudaRuntimeGetVersion(&runtime), "asking for a version");
  say({{"name", device.name},
       {"compute_capability", std::to_string(device.major) + "." + std::to_string(device.minor)},
       {"multiprocessors", device.multiprocessors},
       {"driver", driver},
       {"runtime", runtime},
       {"cublaslt", cublaslt().version()}});
}

// Microseconds of one run of `runs`, enqueued while the stream is held: the median.
template <class Run>
double time_on_device(gpu_stream const& stream, int runs, Run const& run) {
  constexpr double time_to_enqueue = 20.0;  // microseconds, of one
  gpu_event const begin;
  gpu_event const end;
  std::vector<double> times;
  for (int i = 0; i < 8; ++i) {
    hold(stream.get(), time_to_enqueue * runs);
    begin.record(stream.get());
    for (int k = 0; k < runs; ++k) run(k);
    end.record(stream.get());
    double const time = end.since(begin) / runs;
    if (i != 0) times.push_back(time);
  }
  return median(times);
}

device_block random_block(gpu_stream const& stream, std::size_t elements, std::uint32_t seed) {
  auto block = allocate_on_device(elements * sizeof(bf16));
  fill_randomly(stream.get(), reinterpret_cast<bf16*>(block.get()), elements, seed);
  return block;
}

template <class Element = bf16>
Element* in_block(device_block const& block) {
  return reinterpret_cast<Element*>(block.get());
}

struct product_form {
  bool with_bias;
  bool with_residual;
  std::optional<activation> function;
};

// Microseconds of one run, over random operands, each with other weights: a model's do not stay in the cache.
double time_product(std::uint32_t rows, std::uint32_t columns, std::uint32_t depth,
                    product_form const& form) {
  constexpr std::size_t beyond_the_cache = std::size_t{128} << 20;  // elements
  constexpr std::size_t most_copies = 64;
  gpu_stream const stream;
  std::size_t const size = std::size_t{columns} * depth;
  std::size_t const copies = std::clamp<std::size_t>(beyond_the_cache / size, 1, most_copies);
  auto const in = random_block(stream, std::size_t{rows} * depth, 1);
  auto const weights = random_block(stream, copies * size, 2);
  auto const out = random_block(stream, std::size_t{rows} * columns, 3);
  auto const residual = random_block(stream, form.with_residual ? std::size_t{rows} * columns : 1, 4);
  auto const bias = random_block(stream, columns, 5);
  auto const workspace = allocate_on_device(workspace_bytes);
  products<bf16> all(use_device(0), workspace.get(), workspace_bytes, algorithm_store::of_user());
  std::vector<product_arguments<bf16>> each;
  for (std::size_t i = 0; i < copies; ++i) {
    each.push_back({in_block(in), in_block(weights) + i * size, form.with_bias ? in_block(bias) : nullptr,
                    form.with_residual ? in_block(residual) : nullptr, form.function, in_block(out), rows,
                    columns, depth});
  }
  all.tune(stream.get(), each);
  int const runs = rows >= 8192 ? 5 : 50;
  return time_on_device(stream, runs,
                        [&](int i) { all.run(stream.get(), each[static_cast<std::size_t>(i) % copies]); });
}

void product_command(std::istringstream& arguments) {
  std::uint32_t rows = 0;
  std::uint32_t columns = 0;
  std::uint32_t depth = 0;
  if (!(arguments >> rows >> columns >> depth)) throw std::invalid_argument("product ROWS COLUMNS DEPTH");
  auto const tell = [&](char const* form, product_form const& what) {
    double const time = time_product(rows, columns, depth, what);
    say({{"rows", rows},
         {"columns", columns},
         {"depth", depth},
         {"form", form},
         {"microseconds", time},
         {"tflops", 2e-6 * rows * columns * depth / time}});
    std::cout.flush();
  };
  tell("alone", {});
  tell("bias and activation", {true, false, activation::gelu});
  tell("bias and residual", {true, true, std::nullopt});
}

void rate_command(std::istringstream& words) {
  std::string name;
  words >> name;
  auto const device = use_device(0);
  if (name != "matrix") {
    gpu_stream const stream;
    auto const found = measure_rate(name, stream, device);
    return say({{"what", found.what}, {"unit", found.unit}, {"value", found.value}});
  }
  constexpr std::uint32_t size = 8192;
  double const time = time_product(size, size, size, {});
  say({{"what", "matrix product 8192 x 8192 x 8192, bf16"},
       {"unit", "TFLOP/s"},
       {"value", 2e-6 * size * size * size / time}});
}

// ---- attention, by warps and by warpgroups
// ----------------------------------------------------------------------------------------------

struct attention_shape {
  char const* what;
  std::vector<std::size_t> lengths;
  std::size_t heads;
  std::size_t head_size;
};

std::vector<attention_shape> attention_shapes() {
  std::vector<std::size_t> ragged;
  for (std::size_t i = 0; i < 512; ++i) ragged.push_back(1 + i * 37 % 128);
  return {{"1 x 128, 12 heads of 64", {128}, 12, 64},
          {"32 x 128, 12 heads of 64", std::vector<std::size_t>(32, 128), 12, 64},
          {"32 x 128, 12 heads of 32", std::vector<std::size_t>(32, 128), 12, 32},
          {"512 of 1 to 128, 12 heads of 64", ragged, 12, 64},
          {"32 x 512, 12 heads of 64", std::vector<std::size_t>(32, 512), 12, 64}};
}

// Microseconds of one run of the kernel whose tiles have so many warps.
double time_attention(attention_shape const& shape, std::uint32_t warps) {
  gpu_bench<bf16> on;
  std::size_t const hidden = shape.heads * shape.head_size;
  placed_batch<bf16> const batch(on, shape.lengths, shape_of(hidden), 16 * warps);
  auto const qkv = random_block(on.stream(), batch.size.rows * 3 * hidden, 1);
  auto const out = random_block(on.stream(), batch.size.rows * hidden, 2);
  attention_arguments<bf16> const a{batch.view,
                                    in_block(qkv),
                                    in_block(out),
                                    batch.size.rows,
                                    static_cast<std::uint32_t>(shape.heads),
                                    static_cast<std::uint32_t>(shape.head_size),
                                    warps};
  return time_on_device(on.stream(), 20, [&](int) { on.run().run(a); });
}

void bench_attention() {
  for (auto const& shape : attention_shapes()) {
    double operations = 0.0;
    for (std::size_t const length : shape.lengths)
      operations += 4.0 * static_cast<double>(length * length * shape.heads * shape.head_size);
    for (std::uint32_t const warps : attention_kinds()) {
      double const time = time_attention(shape, warps);
      say({{"what", shape.what},
           {"warps", warps},
           {"microseconds", time},
           {"tflops", 1e-6 * operations / time}});
      std::cout.flush();
    }
  }
}

// ---- the other kernels, each alone
// ----------------------------------------------------------------------------------------------

// Texts of 128 tokens; weights and tables are random.
class kernel_bench {
 public:
  kernel_bench(std::size_t texts, std::uint32_t width)
      : batch_(on_, std::vector<std::size_t>(texts, 128), shape_of(width), 64),
        width_(width),
        rows_(batch_.size.rows),
        in_(random_block(on_.stream(), std::size_t{rows_} * 4 * width, 1)),
        out_(random_block(on_.stream(), std::size_t{rows_} * 4 * width, 2)),
        table_(random_block(on_.stream(), std::size_t{1024} * 1024, 3)),
        parameters_(on_.put(random_values<float>(1024))),
        angles_(on_.put(rotary_angles(160'000.0F, 512, head_size))) {}

  void time(std::string const& kernel) {
    double const row = 2.0 * rows_ * width_;
    auto const texts = static_cast<double>(batch_.starts.size() - 1);
    norm_parameters const norm{parameters_, parameters_, 1e-12F};
    auto* const in = in_block(in_);
    auto* const out = in_block(out_);
    auto const* const table = in_block(table_);
    if (kernel == "embedding") {
      tell(kernel, 5 * row,
           embedding_arguments<bf16>{batch_.view, table, table, table, norm, out, rows_, width_});
    } else if (kernel == "norm") {
      tell(kernel, 2 * row, norm_arguments<bf16>{in, norm, out, rows_, width_});
    } else if (kernel == "activation") {
      tell(kernel, 8 * row, activation_arguments<bf16>{in, table, activation::gelu, rows_, 4 * width_});
    } else if (kernel == "gate") {
      tell(kernel, 6 * row, gate_arguments<bf16>{in, table, activation::gelu, out, rows_, 2 * width_});
    } else if (kernel == "rotation") {
      tell(kernel, 4 * row,
           rotary_arguments<bf16>{batch_.view, in, angles_, rows_, width_ / head_size, head_size});
    } else if (kernel == "labels") {
      tell(kernel, row,
           label_arguments<bf16>{batch_.view, in, table, parameters_, reinterpret_cast<float*>(out), rows_,
                                 width_, 9, true});
    } else if (kernel == "classification") {
      tell(kernel, 2.0 * width_ * (width_ + texts),
           classification_arguments<bf16>{batch_.view, in, table, parameters_, table, parameters_,
                                          first_activation::tanh, reinterpret_cast<float*>(out), arrivals(),
                                          logits(), width_, 2, batch_.size.sequences});
    } else if (kernel == "pooling") {
      tell(kernel, row,
           pooling_arguments<bf16>{batch_.view, in, pooling_mode::mean, logits(), width_, width_,
                                   batch_.size.sequences});
    } else {
      throw std::invalid_argument(
          "bench embedding|norm|activation|gate|rotation|labels|attention|classification|pooling");
    }
  }

 private:
  static constexpr std::uint32_t head_size = 64;

  template <class Arguments>
  void tell(std::string const& kernel, double bytes, Arguments const& a) {
    double const time = time_on_device(on_.stream(), 20, [&](int) { on_.run().run(a); });
    say({{"kernel", kernel}, {"rows", rows_}, {"width", width_}, {"microseconds", time}, {"bytes", bytes}});
    std::cout.flush();
  }
  std::uint32_t* arrivals() { return on_.put(std::vector<std::uint32_t>(batch_.size.sequences)); }
  float* logits() { return on_.put(std::vector<float>(std::size_t{batch_.size.sequences} * 1024)); }

  gpu_bench<bf16> on_;
  placed_batch<bf16> batch_;
  std::uint32_t width_;
  std::uint32_t rows_;
  device_block in_;
  device_block out_;
  device_block table_;
  float* parameters_;
  float* angles_;
};

void bench_command(std::istringstream& words) {
  std::string kernel;
  words >> kernel;
  if (kernel == "attention") return bench_attention();
  for (std::size_t const texts : {1, 32, 512}) {
    for (std::uint32_t const width : {384U, 768U}) kernel_bench(texts, width).time(kernel);
  }
}

// ---- models
// -----------------------------------------------------------------------------------------------------

struct token_file {
  explicit token_file(std::string const& path) {
    std::ifstream file(path);
    if (!file) throw std::invalid_argument("cannot read " + path);
    for (std::string line; std::getline(file, line);) {
      std::istringstream words(line);
      for (std::int32_t id = 0; words >> id;) ids.push_back(id);
      double const length = static_cast<double>(ids.size() - starts.back());
      squared_lengths += length * length;
      starts.push_back(ids.size());
    }
    types.resize(ids.size());
  }

  batch_source batch() const { return {ids, types, starts}; }

  std::vector<std::int32_t> ids;
  std::vector<std::int32_t> types;
  std::vector<std::size_t> starts = {0};
  double squared_lengths = 0.0;
};

// Microseconds: the median of `rounds` calls after one that warms up.
template <class Work>
double time_call(Work const& work, int rounds) {
  std::vector<double> times;
  for (int i = 0; i <= rounds; ++i) {
    auto const start = std::chrono::steady_clock::now();
    work();
    std::chrono::duration<double, std::micro> const spent = std::chrono::steady_clock::now() - start;
    if (i != 0) times.push_back(spent.count());
  }
  return median(times);
}

// An idle GPU's clocks are low.
template <class Work>
void warm_up(Work const& work) {
  auto const end = std::chrono::steady_clock::now() + std::chrono::milliseconds(300);
  while (std::chrono::steady_clock::now() < end) work();
}

template <class T>
void time_model(gpu_model<T>& model, token_file const& tokens, int rounds) {
  lane<T>& on = model.first_lane();
  auto const& how = on.prepare(tokens.batch());
  int const replays = tokens.ids.size() > 16'384 ? 3 : 20;
  gpu_event const begin;
  gpu_event const end;
  std::vector<double> device;
  warm_up([&] {
    on.enqueue(how);
    on.stream().wait();
  });
  for (int i = 0; i <= rounds; ++i) {
    hold(on.stream().get(), 1000.0);
    begin.record(on.stream().get());
    for (int k = 0; k < replays; ++k) on.enqueue(how);
    end.record(on.stream().get());
    device.push_back(end.since(begin) / replays);
  }
  double const call = time_call([&] { model.run(tokens.batch()); }, rounds);
  json const trouble = on.without_dependent_launch() ? json(*on.without_dependent_launch()) : json(nullptr);
  say({{"device", median(device)},
       {"call", call},
       {"graph", how.replay != nullptr},
       {"dependent_launch", on.own_operators().dependent_launch()},
       {"trouble", trouble},
       {"rows", how.size.rows}});
}

template <class T>
void time_phases(gpu_model<T>& model, token_file const& tokens, int rounds) {
  lane<T>& on = model.first_lane();
  auto const& how = on.prepare(tokens.batch());
  std::map<std::string, std::vector<double>> times;
  std::map<std::string, phase> last;
  for (int i = 0; i < rounds; ++i) {
    timed_operators<T> timed(on.own_operators(), on.stream(), tokens.squared_lengths);
    on.launch(how, timed);
    last = timed.phases();
    for (auto const& [name, each] : last) times[name].push_back(each.microseconds);
  }
  for (auto const& [name, each] : last) {
    say({{"phase", name},
         {"microseconds", median(times[name])},
         {"operations", each.operations},
         {"bytes", each.bytes}});
  }
}

class session {
 public:
  void answer(std::string const& line) {
    std::istringstream words(line);
    std::string command;
    words >> command;
    if (command == "device") {
      device_command();
    } else if (command == "operators") {
      use_device(0);
      operators_command(words);
    } else if (command == "rate") {
      rate_command(words);
    } else if (command == "attention") {
      use_device(0);
      attention_command(words);
    } else if (command == "attention_kinds") {
      for (std::uint32_t const warps : attention_kinds()) say({{"warps", warps}});
    } else if (command == "bench") {
      use_device(0);
      bench_command(words);
    } else if (command == "product") {
      use_device(0);
      product_command(words);
    } else if (command == "load") {
      load(words);
    } else if (command == "texts") {
      time_texts(words);
    } else if (command == "results" || command == "time" || command == "phases") {
      run(command, words);
    } else {
      throw std::invalid_argument("no command '" + command + "'");
    }
  }

 private:
  template <class T>
  using loaded = std::unique_ptr<gpu_model<T>>;

  void load(std::istringstream& words) {
    std::string folder;
    std::string format;
    std::string how;
    if (!(words >> folder >> format >> how) || (format != "bf16" && format != "fp16") ||
        (!how.starts_with("graph") && !how.starts_with("launches")))
      throw std::invalid_argument("load FOLDER bf16|fp16 graph|launches|graph+dependent|launches+dependent");
    run_manner const manner{how.ends_with("+dependent"), how.starts_with("graph")};
    auto const config = read_config(folder);
    weight_files const files(folder);
    model_task const task = config.classifies_sequences ? model_task{config.classifier.labels.size(), {}}
                                                        : model_task{std::nullopt, {pooling_mode::mean}};
    model_ = std::monostate{};
    if (format == "bf16") {
      model_ = std::make_unique<gpu_model<bf16>>(files, config.encoder, task, 0U, false, manner);
    } else {
      model_ = std::make_unique<gpu_model<f16>>(files, config.encoder, task, 0U, false, manner);
    }
  }

  void run(std::string const& command, std::istringstream& words) {
    std::string path;
    std::string argument;
    if (!(words >> path >> argument)) throw std::invalid_argument(command + " needs a batch and an argument");
    token_file const tokens(path);
    std::visit(
        [&](auto const& model) {
          if constexpr (std::is_same_v<std::decay_t<decltype(model)>, std::monostate>) {
            throw std::invalid_argument(command + " needs a model: load one before");
          } else if (command == "results") {
            auto const rows = model->run(tokens.batch());
            std::ofstream out(argument, std::ios::binary);
            out.write(reinterpret_cast<char const*>(rows.data()),
                      static_cast<std::streamsize>(rows.size() * sizeof(float)));
          } else if (command == "time") {
            time_model(*model, tokens, std::stoi(argument));
          } else {
            time_phases(*model, tokens, std::stoi(argument));
          }
        },
        model_);
  }

  // The first call for a folder waits until the usual buckets were prepared beside it.
  void time_texts(std::istringstream& words) {
    constexpr auto time_to_prepare = std::chrono::seconds(5);
    std::string folder;
    std::string path;
    int rounds = 0;
    if (!(words >> folder >> path >> rounds)) throw std::invalid_argument("texts FOLDER FILE ROUNDS");
    std::vector<std::string> texts;
    std::ifstream file(path);
    for (std::string line; std::getline(file, line);) texts.push_back(line);
    if (texts.empty()) throw std::invalid_argument("there is no text in " + path);
    if (classifier_ == nullptr || classifier_folder_ != folder) {
      classifier_ = std::make_unique<yonder::ml::text_classifier>(
          folder, yonder::ml::text_options{.device = yonder::ml::device::cuda()});
      classifier_folder_ = folder;
      auto const end = std::chrono::steady_clock::now() + time_to_prepare;
      while (std::chrono::steady_clock::now() < end) (*classifier_)(texts.front());
    }
    say({{"one", time_call([&] { (*classifier_)(texts.front()); }, rounds)},
         {"all", time_call([&] { (*classifier_)(std::span<std::string const>(texts)); }, rounds)},
         {"texts", texts.size()}});
  }

  std::variant<std::monostate, loaded<bf16>, loaded<f16>> model_;
  std::unique_ptr<yonder::ml::text_classifier> classifier_;
  std::string classifier_folder_;
};

}  // namespace

int main() {
  if (auto const reason = why_unavailable(0)) {
    // Where this was carried to, there may be no `yonder doctor`.
    std::cerr << *reason << "\n" << advise(gather_gpu_facts()).answer << '\n';
    return 3;
  }
  session state;
  int status = 0;
  for (std::string line; std::getline(std::cin, line);) {
    try {
      state.answer(line);
      std::cout << "done" << std::endl;
    } catch (std::exception const& error) {
      std::cout << "failed: " << error.what() << std::endl;
      status = 1;
    }
  }
  return status;
}
