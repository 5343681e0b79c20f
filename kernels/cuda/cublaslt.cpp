// SPDX-License-Identifier: Apache-2.0
#include "cuda/cublaslt.hpp"

#include <dlfcn.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <type_traits>

#include "cuda/device.hpp"
#include "cuda/launch.hpp"

namespace yonder::kernels::cuda {
namespace {

constexpr int proposals_to_time = 8;
constexpr std::size_t runs_to_time = 6;
constexpr int rounds_to_time = 3;
constexpr double time_to_enqueue = 100.0;  // microseconds, of those runs

void check_blas(cublasStatus_t status, std::string const& what) {
  if (status == CUBLAS_STATUS_SUCCESS) return;
  check(cudaGetLastError(), what);
  std::string const text = what + ": cuBLASLt status " + std::to_string(static_cast<int>(status));
  if (status == CUBLAS_STATUS_ALLOC_FAILED) throw ml::gpu_out_of_memory(text);
  throw ml::gpu_error(text);
}

// Where the loader looks, then where the toolkit was that this was built with, then where one usually is, as
// the doctor does.
void* open_library() {
  std::string tried;
  for (std::string const folder : {"", YONDER_CUDA_LIBRARY_DIR "/", "/usr/local/cuda/lib64/"}) {
    for (int const major : {CUBLAS_VER_MAJOR, 13, 12}) {
      std::string const name = folder + "libcublasLt.so." + std::to_string(major);
      if (void* const library = ::dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
      tried += (tried.empty() ? "" : ", ") + std::string(::dlerror());
    }
  }
  throw ml::gpu_unavailable("cuBLASLt is not there (" + tried +
                            "); install it, or name its folder in LD_LIBRARY_PATH, or use the device cpu");
}

template <class Function>
void find(void* library, char const* name, Function& function) {
  function = reinterpret_cast<Function>(::dlsym(library, name));
  if (function == nullptr) throw ml::gpu_unavailable(std::string("cuBLASLt has no function ") + name);
}

cublaslt_functions load() {
  void* const library = open_library();
  cublaslt_functions all{};
  find(library, "cublasLtCreate", all.create);
  find(library, "cublasLtDestroy", all.destroy);
  find(library, "cublasLtMatmulDescCreate", all.description_create);
  find(library, "cublasLtMatmulDescDestroy", all.description_destroy);
  find(library, "cublasLtMatmulDescSetAttribute", all.description_set);
  find(library, "cublasLtMatrixLayoutCreate", all.layout_create);
  find(library, "cublasLtMatrixLayoutDestroy", all.layout_destroy);
  find(library, "cublasLtMatmulPreferenceCreate", all.preference_create);
  find(library, "cublasLtMatmulPreferenceDestroy", all.preference_destroy);
  find(library, "cublasLtMatmulPreferenceSetAttribute", all.preference_set);
  find(library, "cublasLtMatmulAlgoGetHeuristic", all.heuristic);
  find(library, "cublasLtMatmulAlgoCheck", all.algorithm_check);
  find(library, "cublasLtMatmul", all.matmul);
  find(library, "cublasLtGetVersion", all.version);
  return all;
}

template <class T>
constexpr cudaDataType_t type_of = std::is_same_v<T, bf16> ? CUDA_R_16BF : CUDA_R_16F;

struct layout {
  // Column-major, as cuBLAS has it: a row-major matrix is its transpose.
  layout(cudaDataType_t type, std::uint64_t rows, std::uint64_t columns) {
    check_blas(cublaslt().layout_create(&value, type, rows, columns, static_cast<std::int64_t>(rows)),
               "describing a matrix");
  }
  layout(layout const&) = delete;
  layout& operator=(layout const&) = delete;
  ~layout() { cublaslt().layout_destroy(value); }

  cublasLtMatrixLayout_t value = nullptr;
};

struct description {
  explicit description(cublasLtEpilogue_t epilogue) {
    check_blas(cublaslt().description_create(&value, CUBLAS_COMPUTE_32F, CUDA_R_32F), "describing a product");
    set(CUBLASLT_MATMUL_DESC_TRANSA, CUBLAS_OP_T);
    set(CUBLASLT_MATMUL_DESC_EPILOGUE, epilogue);
  }
  description(description const&) = delete;
  description& operator=(description const&) = delete;
  ~description() { cublaslt().description_destroy(value); }

  template <class Value>
  void set(cublasLtMatmulDescAttributes_t attribute, Value const& to) const {
    check_blas(cublaslt().description_set(value, attribute, &to, sizeof to), "describing a product");
  }

  void set_bias(void const* pointer) const { set(CUBLASLT_MATMUL_DESC_BIAS_POINTER, pointer); }

  cublasLtMatmulDesc_t value = nullptr;
};

struct preference {
  explicit preference(std::uint64_t workspace) {
    check_blas(cublaslt().preference_create(&value), "asking for algorithms");
    set(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, workspace);
    // Partial sums of a product that is split along its depth stay in float.
    set(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK,
        std::uint32_t{CUBLASLT_REDUCTION_SCHEME_NONE | CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE});
  }
  preference(preference const&) = delete;
  preference& operator=(preference const&) = delete;
  ~preference() { cublaslt().preference_destroy(value); }

  template <class Value>
  void set(cublasLtMatmulPreferenceAttributes_t attribute, Value const& to) const {
    check_blas(cublaslt().preference_set(value, attribute, &to, sizeof to), "asking for algorithms");
  }

  cublasLtMatmulPreference_t value = nullptr;
};

template <class T>
cublasLtEpilogue_t epilogue_of(product_arguments<T> const& a) {
  if (!a.function) return a.bias == nullptr ? CUBLASLT_EPILOGUE_DEFAULT : CUBLASLT_EPILOGUE_BIAS;
  return *a.function == activation::relu ? CUBLASLT_EPILOGUE_RELU_BIAS : CUBLASLT_EPILOGUE_GELU_BIAS;
}

}  // namespace

cublaslt_functions const& cublaslt() {
  static cublaslt_functions const functions = load();
  return functions;
}

// transpose(out) = weight * transpose(in), each matrix column-major: the same bytes as ours, row-major.
template <class T>
struct products<T>::plan {
  explicit plan(product_arguments<T> const& a)
      : how(epilogue_of(a)),
        weight(type_of<T>, a.depth, a.columns),
        in(type_of<T>, a.depth, a.rows),
        out(type_of<T>, a.columns, a.rows) {}

  description how;
  layout weight;
  layout in;
  layout out;
  std::vector<cublasLtMatmulAlgo_t> algorithms;  // the one to use first; none: the library has none
  bool tuned = false;
};

template <class T>
products<T>::products(device_properties const& device, void* workspace, std::size_t bytes,
                      algorithm_store& kept)
    : workspace_(workspace),
      workspace_bytes_(bytes),
      kept_(kept),
      device_(device.name + ", " + std::to_string(device.major) + '.' + std::to_string(device.minor) + ", " +
              std::to_string(device.multiprocessors) + " multiprocessors, cuBLASLt " +
              std::to_string(cublaslt().version()) + ", workspace " + std::to_string(bytes)) {
  check_blas(cublaslt().create(&handle_), "starting cuBLASLt");
}

template <class T>
products<T>::~products() {
  cublaslt().destroy(handle_);
}

template <class T>
typename products<T>::shape products<T>::shape_of(product_arguments<T> const& a) {
  return {
      a.rows, a.columns, a.depth, a.bias != nullptr, a.residual != nullptr, static_cast<int>(epilogue_of(a))};
}

template <class T>
std::string products<T>::key_of(product_arguments<T> const& a) const {
  return device_ + (std::is_same_v<T, bf16> ? ", bf16 " : ", fp16 ") + std::to_string(a.rows) + " x " +
         std::to_string(a.columns) + " x " + std::to_string(a.depth) + ", epilogue " +
         std::to_string(static_cast<int>(epilogue_of(a))) + (a.residual == nullptr ? "" : ", added");
}

template <class T>
std::unique_ptr<typename products<T>::plan> products<T>::make_plan(product_arguments<T> const& a) const {
  auto made = std::make_unique<plan>(a);
  if (a.bias != nullptr) made->how.set_bias(a.bias);
  preference const wanted(workspace_bytes_);
  std::array<cublasLtMatmulHeuristicResult_t, proposals_to_time> found{};
  int count = 0;
  cublasStatus_t const status =
      cublaslt().heuristic(handle_, made->how.value, made->weight.value, made->in.value, made->out.value,
                           made->out.value, wanted.value, proposals_to_time, found.data(), &count);
  if (status == CUBLAS_STATUS_NOT_SUPPORTED) return made;
  check_blas(status, "asking for algorithms");
  for (int i = 0; i < count; ++i) {
    auto const& each = found[static_cast<std::size_t>(i)];
    if (each.state == CUBLAS_STATUS_SUCCESS) made->algorithms.push_back(each.algo);
  }
  return made;
}

template <class T>
typename products<T>::plan& products<T>::plan_of(product_arguments<T> const& a) {
  auto& known = plans_[shape_of(a)];
  if (known == nullptr) known = make_plan(a);
  return *known;
}

template <class T>
bool products<T>::can(product_arguments<T> const& a) {
  return !a.function || !plan_of(a).algorithms.empty();
}

template <class T>
bool products<T>::is_usable(plan const& how, cublasLtMatmulAlgo_t const& algorithm) const {
  cublasLtMatmulHeuristicResult_t found{};
  return cublaslt().algorithm_check(handle_, how.how.value, how.weight.value, how.in.value, how.out.value,
                                    how.out.value, &algorithm, &found) == CUBLAS_STATUS_SUCCESS &&
         found.workspaceSize <= workspace_bytes_;
}

template <class T>
cublasStatus_t products<T>::multiply(cudaStream_t stream, plan const& how,
                                     cublasLtMatmulAlgo_t const& algorithm,
                                     product_arguments<T> const& a) const {
  if (a.bias != nullptr) how.how.set_bias(a.bias);
  float const one = 1.0F;
  float const zero = 0.0F;
  bool const adds = a.residual != nullptr;
  return cublaslt().matmul(handle_, how.how.value, &one, a.weight, how.weight.value, a.in, how.in.value,
                           adds ? &one : &zero, adds ? a.residual : a.out, how.out.value, a.out,
                           how.out.value, &algorithm, workspace_, workspace_bytes_, stream);
}

// Of several runs, in microseconds; infinite where the algorithm does not run.
template <class T>
double products<T>::time(cudaStream_t stream, plan const& how, cublasLtMatmulAlgo_t const& algorithm,
                         std::span<product_arguments<T> const> same_shape) const {
  gpu_event const begin;
  gpu_event const end;
  hold(stream, time_to_enqueue);
  begin.record(stream);
  for (std::size_t i = 0; i < runs_to_time; ++i) {
    if (multiply(stream, how, algorithm, same_shape[i % same_shape.size()]) != CUBLAS_STATUS_SUCCESS) {
      check(cudaGetLastError(), "timing a product");
      return std::numeric_limits<double>::infinity();
    }
  }
  end.record(stream);
  return end.since(begin);
}

template <class T>
std::optional<cublasLtMatmulAlgo_t> products<T>::fastest(
    cudaStream_t stream, plan const& how, std::span<product_arguments<T> const> same_shape) const {
  std::vector<double> best(how.algorithms.size(), std::numeric_limits<double>::infinity());
  for (int round = 0; round <= rounds_to_time; ++round) {  // the first one warms up
    for (std::size_t i = 0; i < best.size(); ++i) {
      double const found = time(stream, how, how.algorithms[i], same_shape);
      if (round != 0) best[i] = std::min(best[i], found);
    }
  }
  auto const least = std::min_element(best.begin(), best.end());
  if (!std::isfinite(*least)) return std::nullopt;
  return how.algorithms[static_cast<std::size_t>(least - best.begin())];
}

template <class T>
void products<T>::tune(cudaStream_t stream, std::span<product_arguments<T> const> same_shape) {
  product_arguments<T> const& a = same_shape.front();
  plan& how = plan_of(a);
  if (how.tuned || how.algorithms.empty()) return;
  static_assert(sizeof(cublasLtMatmulAlgo_t) == sizeof(kept_algorithm));
  std::string const key = key_of(a);
  auto kept = kept_.find(key);
  if (!kept && kept_.keeps()) {
    kept_algorithm chosen;
    auto const found = fastest(stream, how, same_shape);
    if (!found) return;  // run() says why; the next call tries again
    std::memcpy(chosen.data(), &*found, sizeof *found);
    kept = kept_.keep(key, chosen);
  }
  cublasLtMatmulAlgo_t use = how.algorithms.front();
  if (kept) std::memcpy(&use, kept->data(), sizeof use);
  if (is_usable(how, use)) how.algorithms = {use};
  how.tuned = true;
}

template <class T>
void products<T>::run(cudaStream_t stream, product_arguments<T> const& a) {
  plan const& how = plan_of(a);
  if (how.algorithms.empty()) {
    throw ml::gpu_error("cuBLASLt has no algorithm for a product of " + std::to_string(a.rows) + " x " +
                        std::to_string(a.columns) + " x " + std::to_string(a.depth));
  }
  check_blas(multiply(stream, how, how.algorithms.front(), a), "multiplying matrices");
}

template class products<bf16>;
template class products<f16>;

}  // namespace yonder::kernels::cuda
