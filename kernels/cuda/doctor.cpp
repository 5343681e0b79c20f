// SPDX-License-Identifier: Apache-2.0
#include "cuda/doctor.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cuda/accelerator.hpp"
#include "cuda/support.hpp"

namespace yonder::kernels::cuda {
namespace {

namespace fs = std::filesystem;

constexpr char const* nodes = "/dev/nvidiactl";

std::string version(int number) {
  return std::to_string(number / 1000) + '.' + std::to_string(number % 1000 / 10);
}

// The first driver of the toolkit's major version serves all its minor ones.
std::string driver_for(int toolkit) { return toolkit / 1000 <= 12 ? "525" : "580"; }

gpu_advice no(std::string const& why, std::string const& type) {
  return {false, "No GPU will be used: " + why + (type.empty() ? "." : "; type: " + type)};
}

bool hides_all(std::string const& visible) {
  return visible.empty() || visible == "-1" || visible == "NoDevFiles";
}

std::string describe(gpu_facts::gpu const& gpu) {
  return gpu.name + " of compute capability " + std::to_string(gpu.major) + '.' + std::to_string(gpu.minor);
}

std::string first_line(fs::path const& file) {
  std::ifstream from(file);
  std::string line;
  std::getline(from, line);
  return line;
}

// Class 0x03: a display controller, which includes accelerators without a display.
bool bus_has_gpu() {
  std::error_code error;
  for (auto const& device : fs::directory_iterator("/sys/bus/pci/devices", error)) {
    if (first_line(device.path() / "vendor") == "0x10de" &&
        first_line(device.path() / "class").starts_with("0x03"))
      return true;
  }
  return false;
}

bool is_container() {
  return fs::exists("/.dockerenv") || fs::exists("/run/.containerenv") ||
         std::getenv("APPTAINER_CONTAINER") != nullptr || std::getenv("KUBERNETES_SERVICE_HOST") != nullptr;
}

// It stays loaded: what its start allocated would be lost.
bool has_library(std::string const& name) {
  return ::dlopen(name.c_str(), RTLD_LAZY | RTLD_LOCAL) != nullptr;
}

bool has_cublaslt() {
  for (int const major : {13, 12}) {
    std::string const name = "libcublasLt.so." + std::to_string(major);
    if (has_library(name) || has_library("/usr/local/cuda/lib64/" + name)) return true;
  }
  return false;
}

// The driver's functions, by their names in cuda.h; the library stays loaded.
class driver {
 public:
  driver() : library_(::dlopen("libcuda.so.1", RTLD_NOW | RTLD_LOCAL)) {}

  explicit operator bool() const noexcept { return library_ != nullptr; }
  // Its result, or -1 without such a function.
  template <class... Arguments>
  int call(char const* name, Arguments... arguments) const {
    auto* const function = reinterpret_cast<int (*)(Arguments...)>(::dlsym(library_, name));
    return function == nullptr ? -1 : function(arguments...);
  }

 private:
  void* library_;
};

gpu_facts::gpu describe_gpu(driver const& cuda, int index) {
  constexpr int major = 75;  // CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR
  constexpr int minor = 76;
  gpu_facts::gpu found;
  std::array<char, 128> name{};
  int device = 0;
  cuda.call("cuDeviceGet", &device, index);
  cuda.call("cuDeviceGetName", name.data(), static_cast<int>(name.size()) - 1, device);
  cuda.call("cuDeviceGetAttribute", &found.major, major, device);
  cuda.call("cuDeviceGetAttribute", &found.minor, minor, device);
  found.name = name.data();
  return found;
}

void ask_driver(gpu_facts& facts) {
  driver const cuda;
  facts.has_driver_library = static_cast<bool>(cuda);
  if (!cuda) return;
  cuda.call("cuDriverGetVersion", &facts.driver);
  facts.init_error = cuda.call("cuInit", 0U);
  int count = 0;
  if (facts.init_error == 0) cuda.call("cuDeviceGetCount", &count);
  for (int i = 0; i < count; ++i) facts.gpus.push_back(describe_gpu(cuda, i));
}

// Where the driver keeps what it compiled; the nearest folder that is there tells whether it may.
void look_at_cache(gpu_facts& facts) {
  char const* const disabled = std::getenv("CUDA_CACHE_DISABLE");
  char const* const stated = std::getenv("CUDA_CACHE_PATH");
  char const* const home = std::getenv("HOME");
  if (stated != nullptr) {
    facts.cache = stated;
  } else if (home != nullptr) {
    facts.cache = (fs::path(home) / ".nv" / "ComputeCache").string();
  }
  std::error_code error;
  fs::path there = facts.cache;
  while (there.has_relative_path() && !fs::exists(there, error)) there = there.parent_path();
  bool const disabled_by_user = disabled != nullptr && std::string(disabled) == "1";
  facts.may_cache = !disabled_by_user && !facts.cache.empty() && ::access(there.c_str(), W_OK | X_OK) == 0;
}

// Of a GPU for which there is no machine code.
std::string describe_compilation(gpu_facts const& facts) {
  if (facts.may_cache) return "compiled by the driver at the first start, and kept in " + facts.cache;
  return "compiled by the driver at every start, as it cannot be kept in \"" + facts.cache +
         "\"; type: unset CUDA_CACHE_DISABLE, export CUDA_CACHE_PATH=… with a folder that may be written";
}

gpu_advice advise_on_driver(gpu_facts const& facts) {
  if (facts.in_container && (!facts.has_nodes || !facts.has_driver_library)) {
    return no(
        "this container was started without it",
        "docker run --gpus all … (podman: --device nvidia.com/gpu=all; apptainer: --nv; Kubernetes: limits "
        "nvidia.com/gpu: 1)");
  }
  if (!facts.driver_loaded)
    return no("the NVIDIA driver is not loaded",
              "sudo apt-get install nvidia-driver (Ubuntu: sudo ubuntu-drivers install), then reboot");
  if (!facts.has_nodes) return no(std::string(nodes) + " is missing", "sudo nvidia-modprobe -c 0 -u");
  if (!facts.may_open_nodes)
    return no(std::string("this user may not open ") + nodes,
              "ls -l /dev/nvidia*, then sudo usermod -aG GROUP $USER with the group that is shown, and log "
              "in again");
  return no("libcuda.so.1, the driver's library, cannot be loaded", "sudo apt-get install libcuda1");
}

gpu_advice advise_on_devices(gpu_facts const& facts) {
  if (facts.visible && hides_all(*facts.visible))
    return no("CUDA_VISIBLE_DEVICES hides every GPU", "unset CUDA_VISIBLE_DEVICES");
  if (facts.split_by_mig)
    return no("the GPU is split by MIG, and no part of it is shown to this process",
              "nvidia-smi -L, then export CUDA_VISIBLE_DEVICES=MIG-… with a name that it shows");
  if (facts.init_error == 802)  // CUDA_ERROR_SYSTEM_NOT_READY
    return no("the GPUs' fabric of NVSwitches is not started (cuInit says 802)",
              "sudo systemctl start nvidia-fabricmanager");
  if (facts.init_error == 803)  // CUDA_ERROR_SYSTEM_DRIVER_MISMATCH
    return no("libcuda.so.1 and the loaded driver are of different versions (cuInit says 803)",
              "sudo reboot");
  if (facts.visible)
    return no("CUDA_VISIBLE_DEVICES=" + *facts.visible + " names no GPU that is there",
              "unset CUDA_VISIBLE_DEVICES");
  return no("the driver shows no GPU (cuInit says " + std::to_string(facts.init_error) + ")", "nvidia-smi");
}

}  // namespace

// What CUDA itself said decides; the rest explains it. Where the driver shows GPUs, it is there, whatever its
// files are named: WSL has neither its nodes nor its entry in /proc.
gpu_advice advise(gpu_facts const& facts) {
  if (!facts.refusal) {
    std::string const what = facts.gpus.empty() ? "cuda:0" : "cuda:0, " + describe(facts.gpus.front());
    return {true, "The GPU will be used: " + what + ", bf16 unless text_options::compute says fp16."};
  }
  if (!facts.on_bus && !facts.has_nodes && !facts.driver_loaded && facts.gpus.empty())
    return no("this machine has none by NVIDIA", "");
  if (!facts.built_with_cuda)
    return no("this Yonder was built without CUDA",
              "cmake -DYONDER_WITH_CUDA=ON … where nvcc 12.5 or later is on PATH, and build again");
  if (facts.gpus.empty() && (!facts.has_nodes || !facts.may_open_nodes || !facts.has_driver_library))
    return advise_on_driver(facts);
  if (facts.driver / 1000 < facts.toolkit / 1000)
    return no("the driver serves CUDA " + version(facts.driver) + ", and this Yonder was built with " +
                  version(facts.toolkit) + ", which needs driver " + driver_for(facts.toolkit) + " or later",
              "sudo apt-get install a newer nvidia-driver, or build with toolkit " +
                  std::to_string(facts.driver / 1000));
  if (facts.gpus.empty()) return advise_on_devices(facts);
  auto const& gpu = facts.gpus.front();
  if (!support_of(gpu.major, gpu.minor).is_usable())
    return no("cuda:0, " + describe(gpu) + ", is older than 8.0, which the kernels need", "");
  if (!facts.has_cublaslt)
    return no("cuBLASLt is missing",
              "pip install nvidia-cublas, then export LD_LIBRARY_PATH=…/nvidia/cu13/lib with its folder");
  return no(*facts.refusal, "nvidia-smi");
}

gpu_facts gather_gpu_facts() {
  gpu_facts facts;
  std::error_code error;
  facts.toolkit = built_with_toolkit();
  facts.built_with_cuda = facts.toolkit != 0;
  facts.on_bus = bus_has_gpu();
  facts.in_container = is_container();
  facts.driver_loaded = fs::exists("/proc/driver/nvidia/version", error);
  facts.has_nodes = fs::exists(nodes, error);
  facts.may_open_nodes = ::access(nodes, R_OK | W_OK) == 0;
  if (char const* const visible = std::getenv("CUDA_VISIBLE_DEVICES")) facts.visible = visible;
  facts.split_by_mig = fs::exists("/proc/driver/nvidia/capabilities/gpu0/mig/gi0", error);
  facts.has_cublaslt = has_cublaslt();
  look_at_cache(facts);
  ask_driver(facts);
  facts.refusal = why_unavailable(0);
  return facts;
}

std::vector<std::string> describe(gpu_facts const& facts) {
  auto const yes = [](bool is) { return is ? "yes" : "no"; };
  std::vector<std::string> lines = {
      std::string("built with CUDA: ") + (facts.built_with_cuda ? version(facts.toolkit) : "no"),
      std::string("an NVIDIA GPU on the PCI bus: ") + yes(facts.on_bus),
      std::string("in a container: ") + yes(facts.in_container),
      std::string("driver: ") + (facts.driver_loaded ? "loaded" : "not loaded") +
          (facts.driver == 0 ? "" : ", serves CUDA " + version(facts.driver)),
      std::string(nodes) + ": " +
          (!facts.has_nodes       ? "missing"
           : facts.may_open_nodes ? "may be opened"
                                  : "forbidden"),
      std::string("libcuda.so.1: ") + (facts.has_driver_library ? "found" : "missing"),
      std::string("cuBLASLt: ") + (facts.has_cublaslt ? "found" : "missing"),
      "CUDA_VISIBLE_DEVICES: " + (facts.visible ? '"' + *facts.visible + '"' : std::string("not set"))};
  for (std::size_t i = 0; i < facts.gpus.size(); ++i) {
    lines.push_back("cuda:" + std::to_string(i) + ": " + describe(facts.gpus[i]));
    if (facts.built_with_cuda &&
        support_of(facts.gpus[i].major, facts.gpus[i].minor).from == gpu_support::code::ptx)
      lines.back() += ", " + describe_compilation(facts);
  }
  if (facts.refusal) lines.push_back("said by the kernels: " + *facts.refusal);
  return lines;
}

}  // namespace yonder::kernels::cuda
