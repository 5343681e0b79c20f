// SPDX-License-Identifier: Apache-2.0
#include "cuda_on_host.hpp"

#include <cublasLt.h>
#include <cuda_runtime_api.h>
#include <dlfcn.h>

#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string_view>
#include <utility>

#include "cuda/launch.hpp"
#include "host_operators.hpp"

namespace yonder::kernels::cuda::on_host {
namespace {

using work = std::function<void()>;

struct stream {
  std::vector<work> enqueued;
  bool captures = false;
  bool has_dependent = false;
  std::vector<work> captured;
  double clock = 0.0;
};

struct event {
  stream* of = nullptr;
  double clock = 0.0;
};

std::recursive_mutex mutex;
using locked = std::lock_guard<std::recursive_mutex>;

behaviour now;
counts seen;
std::map<void*, std::size_t> blocks;
std::set<stream*> streams;
stream legacy;
thread_local cudaError_t last_error = cudaSuccess;

cudaError_t tell(cudaError_t code) {
  if (code != cudaSuccess) last_error = code;
  return code;
}

stream& at(cudaStream_t handle) { return handle == nullptr ? legacy : *reinterpret_cast<stream*>(handle); }

std::shared_ptr<event>& at(cudaEvent_t handle) { return *reinterpret_cast<std::shared_ptr<event>*>(handle); }

void enqueue(cudaStream_t handle, work what) {
  locked const lock(mutex);
  stream& to = at(handle);
  (to.captures ? to.captured : to.enqueued).push_back(std::move(what));
}

void finish(stream& which) {
  for (auto const& each : std::exchange(which.enqueued, {})) each();
}

void finish_all() {
  finish(legacy);
  for (auto* const each : streams) finish(*each);
}

cudaError_t wait_for(stream& which) {
  if (now.is_lost) return tell(cudaErrorLaunchFailure);
  if (which.captures) return tell(cudaErrorStreamCaptureUnsupported);
  finish(which);
  return cudaSuccess;
}

// ---- cuBLASLt

struct description {
  cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_DEFAULT;
  void const* bias = nullptr;
};

struct layout {
  cudaDataType_t type;
  std::uint64_t rows;
  std::uint64_t columns;
};

template <class To, class From>
To* as(From* handle) {
  return reinterpret_cast<To*>(handle);
}

template <class T>
void multiply(description const& how, void const* weight, layout const& of_weight, void const* in,
              layout const& of_in, void const* added, void* out) {
  product_arguments<T> a{};
  a.in = static_cast<T const*>(in);
  a.weight = static_cast<T const*>(weight);
  a.bias = static_cast<T const*>(how.bias);
  a.residual = static_cast<T const*>(added);
  if (how.epilogue == CUBLASLT_EPILOGUE_GELU_BIAS) a.function = activation::gelu;
  if (how.epilogue == CUBLASLT_EPILOGUE_RELU_BIAS) a.function = activation::relu;
  if (how.epilogue == CUBLASLT_EPILOGUE_DEFAULT) a.bias = nullptr;
  a.out = static_cast<T*>(out);
  a.rows = static_cast<std::uint32_t>(of_in.columns);
  a.columns = static_cast<std::uint32_t>(of_weight.columns);
  a.depth = static_cast<std::uint32_t>(of_weight.rows);
  host_operators<T>().run(a);
}

cublasStatus_t create(cublasLtHandle_t* handle) {
  *handle = as<cublasLtContext>(&legacy);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t destroy(cublasLtHandle_t) { return CUBLAS_STATUS_SUCCESS; }
std::size_t version() { return 1; }
cublasStatus_t description_create(cublasLtMatmulDesc_t* made, cublasComputeType_t, cudaDataType_t) {
  *made = as<cublasLtMatmulDescOpaque_t>(new description);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t description_destroy(cublasLtMatmulDesc_t which) {
  delete as<description>(which);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t description_set(cublasLtMatmulDesc_t which, cublasLtMatmulDescAttributes_t attribute,
                               void const* value, std::size_t bytes) {
  auto& to = *as<description>(which);
  if (attribute == CUBLASLT_MATMUL_DESC_EPILOGUE) std::memcpy(&to.epilogue, value, bytes);
  if (attribute == CUBLASLT_MATMUL_DESC_BIAS_POINTER) std::memcpy(&to.bias, value, bytes);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t layout_create(cublasLtMatrixLayout_t* made, cudaDataType_t type, std::uint64_t rows,
                             std::uint64_t columns, std::int64_t) {
  *made = as<cublasLtMatrixLayoutOpaque_t>(new layout{type, rows, columns});
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t layout_destroy(cublasLtMatrixLayout_t which) {
  delete as<layout>(which);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t preference_create(cublasLtMatmulPreference_t*) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t preference_destroy(cublasLtMatmulPreference_t) { return CUBLAS_STATUS_SUCCESS; }
cublasStatus_t preference_set(cublasLtMatmulPreference_t, cublasLtMatmulPreferenceAttributes_t, void const*,
                              std::size_t) {
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t heuristic(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                         cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                         cublasLtMatmulPreference_t, int, cublasLtMatmulHeuristicResult_t* found,
                         int* count) {
  for (std::uint64_t i = 0; i < proposals; ++i) {
    found[i] = {};
    found[i].algo.data[0] = i;
    found[i].state = CUBLAS_STATUS_SUCCESS;
  }
  *count = static_cast<int>(proposals);
  return CUBLAS_STATUS_SUCCESS;
}
cublasStatus_t algorithm_check(cublasLtHandle_t, cublasLtMatmulDesc_t, cublasLtMatrixLayout_t,
                               cublasLtMatrixLayout_t, cublasLtMatrixLayout_t, cublasLtMatrixLayout_t,
                               cublasLtMatmulAlgo_t const* algorithm, cublasLtMatmulHeuristicResult_t*) {
  return algorithm->data[0] < proposals ? CUBLAS_STATUS_SUCCESS : CUBLAS_STATUS_NOT_SUPPORTED;
}
cublasStatus_t matmul(cublasLtHandle_t, cublasLtMatmulDesc_t how, void const*, void const* a,
                      cublasLtMatrixLayout_t of_a, void const* b, cublasLtMatrixLayout_t of_b,
                      void const* beta, void const* c, cublasLtMatrixLayout_t, void* d,
                      cublasLtMatrixLayout_t, cublasLtMatmulAlgo_t const* algorithm, void*, std::size_t,
                      cudaStream_t to) {
  locked const lock(mutex);
  if (now.refuses_products) return CUBLAS_STATUS_EXECUTION_FAILED;
  auto const* const added = *static_cast<float const*>(beta) == 0.0F ? nullptr : c;
  auto run = [how = *as<description>(how), a, of_a = *as<layout>(of_a), b, of_b = *as<layout>(of_b), added, d,
              used = algorithm->data[0], to] {
    at(to).clock += used == now.fastest ? 1.0 : 2.0;
    seen.algorithms.push_back(used);
    if (of_b.columns > most_computed_rows) return;
    of_a.type == CUDA_R_16BF ? multiply<bf16>(how, a, of_a, b, of_b, added, d)
                             : multiply<f16>(how, a, of_a, b, of_b, added, d);
  };
  enqueue(to, run);
  return CUBLAS_STATUS_SUCCESS;
}

template <class Function>
void* address(Function* function) {
  return reinterpret_cast<void*>(function);
}

void* find_function(std::string_view name) {
  std::map<std::string_view, void*> const all = {
      {"cublasLtCreate", address(create)},
      {"cublasLtDestroy", address(destroy)},
      {"cublasLtMatmulDescCreate", address(description_create)},
      {"cublasLtMatmulDescDestroy", address(description_destroy)},
      {"cublasLtMatmulDescSetAttribute", address(description_set)},
      {"cublasLtMatrixLayoutCreate", address(layout_create)},
      {"cublasLtMatrixLayoutDestroy", address(layout_destroy)},
      {"cublasLtMatmulPreferenceCreate", address(preference_create)},
      {"cublasLtMatmulPreferenceDestroy", address(preference_destroy)},
      {"cublasLtMatmulPreferenceSetAttribute", address(preference_set)},
      {"cublasLtMatmulAlgoGetHeuristic", address(heuristic)},
      {"cublasLtMatmulAlgoCheck", address(algorithm_check)},
      {"cublasLtMatmul", address(matmul)},
      {"cublasLtGetVersion", address(version)}};
  auto const found = all.find(name);
  return found == all.end() ? nullptr : found->second;
}

}  // namespace

void behave(behaviour const& how) {
  locked const lock(mutex);
  now = how;
  seen = {};
}

counts counted() {
  locked const lock(mutex);
  return seen;
}

}  // namespace yonder::kernels::cuda::on_host

// ---- the runtime, by the names of its header

using namespace yonder::kernels::cuda;

extern "C" {

// The loader's, but for cuBLASLt (the linker's --wrap).
void* __real_dlopen(char const* name, int flags);
void* __real_dlsym(void* library, char const* name);
void* __wrap_dlopen(char const* name, int flags) {
  bool const is_ours = name != nullptr && std::string_view(name).starts_with("libcublasLt");
  return is_ours ? &on_host::legacy : __real_dlopen(name, flags);
}
void* __wrap_dlsym(void* library, char const* name) {
  return library == &on_host::legacy ? on_host::find_function(name) : __real_dlsym(library, name);
}

cudaError_t cudaGetLastError() { return std::exchange(on_host::last_error, cudaSuccess); }
char const* cudaGetErrorName(cudaError_t code) {
  switch (code) {
    case cudaErrorMemoryAllocation: return "cudaErrorMemoryAllocation";
    case cudaErrorLaunchFailure: return "cudaErrorLaunchFailure";
    case cudaErrorStreamCaptureUnsupported: return "cudaErrorStreamCaptureUnsupported";
    default: return "another error";
  }
}
cudaError_t cudaGetDeviceCount(int* count) {
  *count = 1;
  return cudaSuccess;
}
cudaError_t cudaGetDeviceProperties(cudaDeviceProp* found, int) {
  *found = {};
  std::strcpy(found->name, "the host");
  found->major = on_host::now.major;
  found->multiProcessorCount = 1;
  return cudaSuccess;
}
cudaError_t cudaSetDevice(int) { return cudaSuccess; }
cudaError_t cudaDriverGetVersion(int* version) {
  *version = on_host::now.driver;
  return cudaSuccess;
}

cudaError_t cudaMalloc(void** block, std::size_t bytes) {
  on_host::locked const lock(on_host::mutex);
  std::size_t used = 0;
  for (auto const& [place, size] : on_host::blocks) used += size;
  if (bytes > on_host::now.bytes - std::min(used, on_host::now.bytes))
    return on_host::tell(cudaErrorMemoryAllocation);
  *block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*block, 0xff, bytes);
  on_host::blocks[*block] = bytes;
  return cudaSuccess;
}
cudaError_t cudaFree(void* block) {
  on_host::locked const lock(on_host::mutex);
  on_host::finish_all();
  on_host::blocks.erase(block);
  std::free(block);
  return cudaSuccess;
}
cudaError_t cudaHostAlloc(void** block, std::size_t bytes, unsigned) {
  *block = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  std::memset(*block, 0xff, bytes);
  return cudaSuccess;
}
cudaError_t cudaFreeHost(void* block) {
  std::free(block);
  return cudaSuccess;
}
// From pageable memory: it has been read when this returns, and is there when the legacy stream was waited
// for.
cudaError_t cudaMemcpy(void* to, void const* from, std::size_t bytes, cudaMemcpyKind) {
  auto const* const first = static_cast<std::byte const*>(from);
  on_host::enqueue(nullptr, [to, staged = std::vector<std::byte>(first, first + bytes)] {
    std::memcpy(to, staged.data(), staged.size());
  });
  return cudaSuccess;
}
// From pinned memory.
cudaError_t cudaMemcpyAsync(void* to, void const* from, std::size_t bytes, cudaMemcpyKind, cudaStream_t on) {
  on_host::enqueue(on, [=] { std::memcpy(to, from, bytes); });
  return cudaSuccess;
}
cudaError_t cudaMemsetAsync(void* to, int value, std::size_t bytes, cudaStream_t on) {
  on_host::enqueue(on, [=] { std::memset(to, value, bytes); });
  return cudaSuccess;
}

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* made, unsigned) {
  on_host::locked const lock(on_host::mutex);
  auto* const fresh = new on_host::stream;
  on_host::streams.insert(fresh);
  *made = reinterpret_cast<cudaStream_t>(fresh);
  return cudaSuccess;
}
cudaError_t cudaStreamDestroy(cudaStream_t which) {
  on_host::locked const lock(on_host::mutex);
  on_host::finish(on_host::at(which));
  on_host::streams.erase(&on_host::at(which));
  delete &on_host::at(which);
  return cudaSuccess;
}
cudaError_t cudaStreamSynchronize(cudaStream_t which) {
  on_host::locked const lock(on_host::mutex);
  return on_host::wait_for(on_host::at(which));
}

// An event is the clock of its stream when it came to it; one that is destroyed may still be recorded.
cudaError_t cudaEventCreate(cudaEvent_t* made) {
  *made = reinterpret_cast<cudaEvent_t>(new std::shared_ptr<on_host::event>(new on_host::event));
  return cudaSuccess;
}
cudaError_t cudaEventDestroy(cudaEvent_t which) {
  delete &on_host::at(which);
  return cudaSuccess;
}
cudaError_t cudaEventRecord(cudaEvent_t which, cudaStream_t on) {
  on_host::at(which)->of = &on_host::at(on);
  on_host::enqueue(on, [event = on_host::at(which)] { event->clock = event->of->clock; });
  return cudaSuccess;
}
cudaError_t cudaEventSynchronize(cudaEvent_t which) {
  on_host::locked const lock(on_host::mutex);
  return on_host::wait_for(*on_host::at(which)->of);
}
cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t begin, cudaEvent_t end) {
  *milliseconds = static_cast<float>(1e-3 * (on_host::at(end)->clock - on_host::at(begin)->clock));
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t which, cudaStreamCaptureMode) {
  on_host::locked const lock(on_host::mutex);
  auto& stream = on_host::at(which);
  stream.captures = true;
  stream.has_dependent = false;
  stream.captured.clear();
  ++on_host::seen.captures;
  return cudaSuccess;
}
cudaError_t cudaStreamEndCapture(cudaStream_t which, cudaGraph_t* made) {
  on_host::locked const lock(on_host::mutex);
  auto& stream = on_host::at(which);
  stream.captures = false;
  if (on_host::now.refuses_capture || (on_host::now.refuses_dependent_capture && stream.has_dependent))
    return on_host::tell(cudaErrorStreamCaptureUnsupported);
  *made = reinterpret_cast<cudaGraph_t>(new std::vector<on_host::work>(std::move(stream.captured)));
  return cudaSuccess;
}
cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  delete reinterpret_cast<std::vector<on_host::work>*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphInstantiate(cudaGraphExec_t* made, cudaGraph_t graph, unsigned long long) {
  auto const& all = *reinterpret_cast<std::vector<on_host::work>*>(graph);
  *made = reinterpret_cast<cudaGraphExec_t>(new std::vector<on_host::work>(all));
  return cudaSuccess;
}
cudaError_t cudaGraphExecDestroy(cudaGraphExec_t graph) {
  delete reinterpret_cast<std::vector<on_host::work>*>(graph);
  return cudaSuccess;
}
cudaError_t cudaGraphLaunch(cudaGraphExec_t graph, cudaStream_t on) {
  on_host::locked const lock(on_host::mutex);
  ++on_host::seen.launched_graphs;
  for (auto const& each : *reinterpret_cast<std::vector<on_host::work>*>(graph)) on_host::enqueue(on, each);
  return cudaSuccess;
}
}

// ---- what launch.cu has

namespace yonder::kernels::cuda {
namespace {

template <class Arguments>
std::size_t rows_of(Arguments const& a) {
  if constexpr (requires { a.rows; }) {
    return a.rows;
  } else {
    return std::size_t{4} * a.most_sequences;
  }
}

template <class T, class Arguments>
void run_later(cudaStream_t stream, bool dependent, Arguments const& a) {
  on_host::locked const lock(on_host::mutex);
  on_host::at(stream).has_dependent = on_host::at(stream).has_dependent || dependent;
  on_host::enqueue(stream, [a] {
    if (rows_of(a) <= on_host::most_computed_rows) host_operators<T>().run(a);
  });
}

}  // namespace

attention_unit attention_unit_of(device_properties const&) noexcept { return attention_unit::warp; }
void hold(cudaStream_t, double) {}
template <class T>
void fill_randomly(cudaStream_t stream, T* to, std::size_t count, std::uint32_t) {
  on_host::enqueue(stream, [=] { std::memset(to, 0, count * sizeof(T)); });
}

template <class T>
gpu_operators<T>::gpu_operators(cudaStream_t stream, products<T>& products, bool dependent_launch)
    : stream_(stream), products_(products), dependent_launch_(dependent_launch) {}
template <class T>
void gpu_operators<T>::run(embedding_arguments<T> const& a) {
  run_later<T>(stream_, false, a);
}
template <class T>
void gpu_operators<T>::run(product_arguments<T> const& a) {
  products_.run(stream_, a);
}
template <class T>
void gpu_operators<T>::run(attention_arguments<T> const& a) {
  run_later<T>(stream_, dependent_launch_, a);
}
template <class T>
void gpu_operators<T>::run(norm_arguments<T> const& a) {
  run_later<T>(stream_, dependent_launch_, a);
}
template <class T>
void gpu_operators<T>::run(activation_arguments<T> const& a) {
  run_later<T>(stream_, dependent_launch_, a);
}
template <class T>
void gpu_operators<T>::run(gate_arguments<T> const& a) {
  run_later<T>(stream_, dependent_launch_, a);
}
template <class T>
void gpu_operators<T>::run(rotary_arguments<T> const& a) {
  run_later<T>(stream_, dependent_launch_, a);
}
template <class T>
void gpu_operators<T>::run(label_arguments<T> const& a) {
  run_later<T>(stream_, dependent_launch_, a);
}
template <class T>
void gpu_operators<T>::run(classification_arguments<T> const& a) {
  run_later<T>(stream_, dependent_launch_, a);
}
template <class T>
void gpu_operators<T>::run(pooling_arguments<T> const& a) {
  run_later<T>(stream_, dependent_launch_, a);
}
template class gpu_operators<bf16>;
template class gpu_operators<f16>;
template void fill_randomly(cudaStream_t, bf16*, std::size_t, std::uint32_t);
template void fill_randomly(cudaStream_t, f16*, std::size_t, std::uint32_t);

}  // namespace yonder::kernels::cuda
