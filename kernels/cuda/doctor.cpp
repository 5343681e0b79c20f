// SPDX-License-Identifier: Apache-2.0
#include "cuda/doctor.hpp"

#include <dlfcn.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cuda/accelerator.hpp"
#include "cuda/support.hpp"

namespace yonder::kernels::cuda {
namespace {

namespace fs = std::filesystem;

using access = gpu_facts::access;

constexpr char const* control_node = "/dev/nvidiactl";
constexpr char const* memory_node = "/dev/nvidia-uvm";

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
  // Of its file; empty where the loader does not say.
  std::string path() const {
    Dl_info info{};
    void* const function = ::dlsym(library_, "cuInit");
    return function != nullptr && ::dladdr(function, &info) != 0 ? info.dli_fname : "";
  }
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
  facts.driver_library = cuda.path();
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

// A device file that this process may not use.
gpu_advice advise_on_node(gpu_facts const& facts, std::string const& node, access state) {
  if (state == access::missing)
    return no(node + " is missing", facts.in_container ? "docker run --gpus all … (or --device " + node + ")"
                                                       : "sudo nvidia-modprobe -c 0 -u");
  if (state == access::forbidden)
    return no("this user may not open " + node,
              "ls -l /dev/nvidia*, then sudo usermod -aG GROUP $USER with the group that is shown, and log "
              "in again");
  if (facts.in_container)  // a reload of systemd takes devices away that it was not told of
    return no("this container's rules forbid " + node + ", be it that it lost the GPU while it ran",
              "docker restart … (lasting: docker run --gpus all --device " + node + " …)");
  return no("the cgroup of this job or service forbids " + node,
            "srun --gres=gpu:1 … (systemd: DeviceAllow=char-nvidia* rw, and DeviceAllow=" + node + " rw)");
}

gpu_advice advise_on_driver(gpu_facts const& facts) {
  if (facts.in_container && facts.control == access::missing) {
    return no(
        "this container was started without it",
        "docker run --gpus all … (podman: --device nvidia.com/gpu=all; apptainer: --nv; Kubernetes: limits "
        "nvidia.com/gpu: 1)");
  }
  if (facts.in_container && !facts.has_driver_library) {
    return no("this container has the GPU, and not the driver's library, libcuda.so.1",
              "docker run --gpus all -e NVIDIA_DRIVER_CAPABILITIES=compute,utility …");
  }
  if (!facts.driver_loaded && facts.has_driver_library)
    return no("the NVIDIA driver is installed, and its module is not loaded",
              "sudo modprobe nvidia (it says why not; after a new kernel: sudo dkms autoinstall, or reboot)");
  if (!facts.driver_loaded)
    return no("the NVIDIA driver is not loaded",
              "sudo apt-get install nvidia-driver (Debian: of its section non-free; Ubuntu: sudo "
              "ubuntu-drivers install), then reboot");
  if (facts.control != access::open) return advise_on_node(facts, control_node, facts.control);
  return no("libcuda.so.1, the driver's library, cannot be loaded", "sudo apt-get install libcuda1");
}

// A libcuda.so.1 that is not the loaded driver's own.
gpu_advice advise_on_library(gpu_facts const& facts) {
  std::string const says = " (cuInit says " + std::to_string(facts.init_error) + ")";
  std::string const folder = fs::path(facts.driver_library).parent_path().string();
  std::string const leave_out =
      "export LD_LIBRARY_PATH=… without " + (folder.empty() ? "its folder" : folder) +
      " (where it is not in that: ldconfig -p | grep libcuda, and take it out of /etc/ld.so.conf.d)";
  if (facts.init_error == 34)  // CUDA_ERROR_STUB_LIBRARY
    return no("libcuda.so.1 is the toolkit's stub, for linking alone, " + facts.driver_library + says,
              leave_out);
  if (folder.find("compat") != std::string::npos || facts.init_error == 804)
    return no("libcuda.so.1 is of the package cuda-compat, " + facts.driver_library +
                  ", which does not suit this driver, or this GPU: it is for data-centre GPUs alone" + says,
              leave_out);
  std::string const differ = "libcuda.so.1 and the loaded driver are of different versions" + says;
  return facts.in_container ? no(differ, "docker restart … (where that does not help: reboot the host)")
                            : no(differ, "sudo reboot");
}

gpu_advice advise_on_devices(gpu_facts const& facts) {
  if (facts.visible && hides_all(*facts.visible))
    return no("CUDA_VISIBLE_DEVICES hides every GPU", "unset CUDA_VISIBLE_DEVICES");
  if (facts.init_error == 34 || facts.init_error == 803 || facts.init_error == 804)
    return advise_on_library(facts);
  if (facts.gpu_node != access::open) return advise_on_node(facts, "/dev/nvidia0", facts.gpu_node);
  if (facts.memory_node != access::open) return advise_on_node(facts, memory_node, facts.memory_node);
  if (facts.split_by_mig)
    return no("the GPU is split by MIG, and no part of it is shown to this process",
              "nvidia-smi -L, then export CUDA_VISIBLE_DEVICES=MIG-… with a name that it shows");
  if (facts.init_error == 802)  // CUDA_ERROR_SYSTEM_NOT_READY
    return no("the GPUs' fabric of NVSwitches is not started (cuInit says 802)",
              "sudo systemctl start nvidia-fabricmanager");
  if (facts.init_error == 999)  // CUDA_ERROR_UNKNOWN
    return no("the driver does not start (cuInit says 999), as after the machine slept",
              facts.in_container ? "docker restart … (where that does not help: reboot the host)"
                                 : "sudo modprobe -r nvidia_uvm && sudo modprobe nvidia_uvm");
  if (facts.visible && (facts.init_error == 0 || facts.init_error == 100))
    return no("CUDA_VISIBLE_DEVICES=" + *facts.visible + " names no GPU that is there",
              "unset CUDA_VISIBLE_DEVICES");
  if (facts.init_error == 805 ||
      facts.init_error == 807)  // CUDA_ERROR_MPS_CONNECTION_FAILED, _SERVER_NOT_READY
    return no("the server of MPS, by which processes share the GPU, does not answer (cuInit says " +
                  std::to_string(facts.init_error) + ")",
              "nvidia-cuda-mps-control -d, or unset CUDA_MPS_PIPE_DIRECTORY to go without it");
  return no("the driver shows no GPU (cuInit says " + std::to_string(facts.init_error) + ")",
            "nvidia-smi, and sudo dmesg | grep NVRM");
}

// cuda:0 is older than 8.0; another may do.
gpu_advice advise_on_old(gpu_facts const& facts) {
  std::string const why =
      "cuda:0, " + describe(facts.gpus.front()) + ", is older than 8.0, which the kernels need";
  for (std::size_t i = 1; i < facts.gpus.size(); ++i) {
    if (!support_of(facts.gpus[i].major, facts.gpus[i].minor).is_usable()) continue;
    std::string const number = std::to_string(i);
    return no(why + "; cuda:" + number + ", " + facts.gpus[i].name + ", would do",
              (facts.visible ? "" : "export CUDA_VISIBLE_DEVICES=" + number + ", or state ") +
                  std::string("text_options::device = device::cuda(") + number + ")");
  }
  return no(why, "");
}

// A GPU that this build has no code for.
gpu_advice advise_on_code(gpu_facts const& facts) {
  auto const& gpu = facts.gpus.front();
  std::string const which = "cuda:0, " + describe(gpu) + ", ";
  std::string const number = std::to_string(gpu.major) + std::to_string(gpu.minor);
  if (!facts.built_for.empty())
    return no(which + "has no code in this Yonder, which was built for " + facts.built_for + " alone",
              "cmake -DYONDER_CUDA_ARCHITECTURE=" + number +
                  " …, or -DYONDER_CUDA_ARCHITECTURE= for all, and build "
                  "again");
  return no(which + "needs the driver to compile the kernels, and it serves CUDA " + version(facts.driver) +
                ", older than the " + version(facts.toolkit) + " of this build",
            "cmake -DYONDER_CUDA_ARCHITECTURE=" + number +
                " … and build again, or sudo apt-get install a newer "
                "nvidia-driver");
}

bool lacks_code(gpu_facts const& facts) {
  auto const& gpu = facts.gpus.front();
  if (!facts.built_for.empty()) return !runs_on(facts.built_for, gpu.major, gpu.minor);
  return support_of(gpu.major, gpu.minor).from == gpu_support::code::ptx && facts.driver < facts.toolkit;
}

// Of a cuBLASLt that the driver serves.
std::string how_to_get_cublaslt(gpu_facts const& facts) {
  return facts.driver / 1000 <= 12
             ? "pip install nvidia-cublas-cu12, then export LD_LIBRARY_PATH=…/nvidia/cublas/lib with its "
               "folder"
             : "pip install nvidia-cublas, then export LD_LIBRARY_PATH=…/nvidia/cu13/lib with its folder";
}

// EPERM is a cgroup's; the mode of a file gives EACCES.
access access_to(std::string const& node) {
  if (::access(node.c_str(), R_OK | W_OK) == 0) return access::open;
  if (errno == EPERM) return access::ruled_out;
  return errno == EACCES ? access::forbidden : access::missing;
}

// After cuInit, which makes them where it may.
void look_at_nodes(gpu_facts& facts) {
  facts.control = access_to(control_node);
  facts.memory_node = access_to(memory_node);
  std::error_code error;
  for (auto const& each : fs::directory_iterator("/dev", error)) {
    std::string const name = each.path().filename();
    bool const is_gpu = name.starts_with("nvidia") && name.size() > 6 &&
                        name.find_first_not_of("0123456789", 6) == std::string::npos;
    if (is_gpu) facts.gpu_node = std::max(facts.gpu_node, access_to(each.path()));
  }
}

char const* describe(access state) {
  switch (state) {
    case access::open: return "may be opened";
    case access::forbidden: return "forbidden";
    case access::ruled_out: return "forbidden by a cgroup";
    case access::missing: break;
  }
  return "missing";
}

}  // namespace

// What CUDA itself said decides; the rest explains it. Where the driver shows GPUs, it is there, whatever its
// files are named: WSL has neither its nodes nor its entry in /proc.
gpu_advice advise(gpu_facts const& facts) {
  if (!facts.refusal) {
    std::string const what = facts.gpus.empty() ? "cuda:0" : "cuda:0, " + describe(facts.gpus.front());
    return {true, "The GPU will be used: " + what + ", bf16 unless text_options::compute says fp16."};
  }
  bool const has_node = facts.control != access::missing;
  if (!facts.on_bus && !has_node && !facts.driver_loaded && facts.gpus.empty())
    return no("this machine has none by NVIDIA", "");
  if (!facts.built_with_cuda)
    return no("this Yonder was built without CUDA",
              "cmake -DYONDER_WITH_CUDA=ON … where nvcc 12.5 or later is on PATH, and build again");
  if (facts.gpus.empty() && (facts.control != access::open || !facts.has_driver_library))
    return advise_on_driver(facts);
  if (facts.driver / 1000 < facts.toolkit / 1000)
    return no("the driver serves CUDA " + version(facts.driver) + ", and this Yonder was built with " +
                  version(facts.toolkit) + ", which needs driver " + driver_for(facts.toolkit) + " or later",
              "sudo apt-get install cuda-drivers (of developer.nvidia.com/cuda-downloads, as a "
              "distribution's own driver may "
              "be older), then reboot; or build with toolkit " +
                  std::to_string(facts.driver / 1000));
  if (facts.gpus.empty()) return advise_on_devices(facts);
  auto const& gpu = facts.gpus.front();
  if (!support_of(gpu.major, gpu.minor).is_usable()) return advise_on_old(facts);
  if (lacks_code(facts)) return advise_on_code(facts);
  if (!facts.has_cublaslt) return no("cuBLASLt is missing", how_to_get_cublaslt(facts));
  return no(*facts.refusal, "nvidia-smi");
}

gpu_facts gather_gpu_facts() {
  gpu_facts facts;
  std::error_code error;
  facts.toolkit = built_with_toolkit();
  facts.built_with_cuda = facts.toolkit != 0;
  facts.built_for = built_for_architecture();
  facts.on_bus = bus_has_gpu();
  facts.in_container = is_container();
  facts.driver_loaded = fs::exists("/proc/driver/nvidia/version", error);
  if (char const* const visible = std::getenv("CUDA_VISIBLE_DEVICES")) facts.visible = visible;
  facts.split_by_mig = fs::exists("/proc/driver/nvidia/capabilities/gpu0/mig/gi0", error);
  facts.has_cublaslt = has_cublaslt();
  look_at_cache(facts);
  ask_driver(facts);
  look_at_nodes(facts);
  facts.refusal = why_unavailable(0);
  return facts;
}

std::vector<std::string> describe(gpu_facts const& facts) {
  auto const yes = [](bool is) { return is ? "yes" : "no"; };
  std::vector<std::string> lines = {
      std::string("built with CUDA: ") + (facts.built_with_cuda ? version(facts.toolkit) : "no") +
          (facts.built_for.empty() ? "" : ", for " + facts.built_for + " alone"),
      std::string("an NVIDIA GPU on the PCI bus: ") + yes(facts.on_bus),
      std::string("in a container: ") + yes(facts.in_container),
      std::string("driver: ") + (facts.driver_loaded ? "loaded" : "not loaded") +
          (facts.driver == 0 ? "" : ", serves CUDA " + version(facts.driver)),
      std::string(control_node) + ": " + describe(facts.control) + "; /dev/nvidia0, …: " +
          describe(facts.gpu_node) + "; " + memory_node + ": " + describe(facts.memory_node),
      std::string("libcuda.so.1: ") + (facts.has_driver_library ? "found" : "missing") +
          (facts.driver_library.empty() ? "" : ", " + facts.driver_library),
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
